#compdef @PROGRAM@
compdef _@ID@ @PROGRAM@

# zsh completion for @PROGRAM@ @LEAD@
#
# Asks "@PROGRAM@ @LEAD@ @REQUEST@ WORDS... CURRENT"; the answer is one candidate per line, with a
# description after a tab, and a last line ":N" with directives: 1 error, 2 no space, 4 no files,
# 8 file extensions, 16 directories, 32 keep the order.

_@ID@() {
    local -a lead=(@LEAD@) asked lines entries options
    local answer directive line index
    for ((index = 1; index <= ${#lead}; index++)); do
        [[ ${words[index + 1]} == ${lead[index]} ]] || { _default; return }
        ((CURRENT > index + 1)) || { _default; return }
    done

    asked=("${(@)words[2+@LEAD_COUNT@,CURRENT]}")
    answer=$("${(Q)words[1]}" @LEAD@ @REQUEST@ "${(@Q)asked}" 2>/dev/null) || return
    lines=("${(@f)answer}")
    directive=${lines[-1]#:}
    [[ $directive == <-> ]] || return
    ((directive & 1)) && return
    lines=("${(@)lines[1,-2]}")

    if ((directive & 8)); then
        _files -g "*.(${(j:|:)lines})"
        return
    fi
    if ((directive & 16)); then
        _files -/
        return
    fi

    for line in $lines; do
        [[ -n $line ]] || continue
        # _describe takes word:description, so colons in words are escaped.
        if [[ $line == *$'\t'* ]]; then
            entries+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
        else
            entries+=("${line//:/\\:}")
        fi
    done
    ((directive & 2)) && options+=(-S '')
    ((directive & 32)) && options+=(-V)
    if ((${#entries})); then
        compset -P '--*='
        _describe completions entries $options && return
    fi
    ((directive & 4)) || _files
}

if [[ $funcstack[1] == _@ID@ ]]; then
    _@ID@
fi
