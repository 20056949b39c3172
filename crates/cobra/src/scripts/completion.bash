# bash completion for @PROGRAM@ @LEAD@
#
# Asks "@PROGRAM@ @LEAD@ @REQUEST@ WORDS... CURRENT"; the answer is one candidate per line, with a
# description after a tab, and a last line ":N" with directives: 1 error, 2 no space, 4 no files,
# 8 file extensions, 16 directories, 32 keep the order.

__@ID@_complete() {
    local -a words=() candidates=() descriptions=()
    local rest="${COMP_LINE:0:COMP_POINT}" piece glued=0

    # bash splits words at ":" and "=" too; what no blank separates belongs together.
    for piece in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        if [[ $rest == [[:blank:]]* || ${#words[@]} -eq 0 ]]; then
            rest="${rest#"${rest%%[![:blank:]]*}"}"
            glued=0
        else
            glued=1
        fi
        [[ -n $piece && $rest != "$piece"* ]] && piece=$rest
        rest="${rest:${#piece}}"
        if ((glued)); then
            words[${#words[@]} - 1]+=$piece
        else
            words+=("$piece")
        fi
    done

    local -a lead=(@LEAD@)
    local i
    for i in "${!lead[@]}"; do
        [[ ${words[i + 1]-} == "${lead[i]}" && ${#words[@]} -gt $((i + 2)) ]] || return 0
    done

    local current="${words[${#words[@]} - 1]}" answer directive line
    answer=$("${words[0]}" @LEAD@ @REQUEST@ "${words[@]:1+@LEAD_COUNT@}" 2>/dev/null) || return 0
    directive="${answer##*:}"
    [[ $directive =~ ^[0-9]+$ ]] || return 0
    ((directive & 1)) && return 0
    answer="${answer%:*}"

    # In --flag=value it is the value that completes.
    local flag=""
    if [[ $current == -*=* ]]; then
        flag="${current%%=*}="
        current="${current#*=}"
    fi
    # readline replaces only what follows the last separator: what stands before it is cut from candidates,
    # or, where "=" does not separate, added to them.
    local cut=""
    if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then cut="${current%"${current##*:}"}"; fi
    [[ $COMP_WORDBREAKS == *=* ]] && flag=""

    local extensions=""
    while IFS= read -r line; do
        [[ -n $line ]] || continue
        if ((directive & 8)); then
            extensions+="${extensions:+|}${line%%$'\t'*}"
            continue
        fi
        [[ ${line%%$'\t'*} == "$current"* ]] || continue
        candidates+=("${line%%$'\t'*}")
        if [[ $line == *$'\t'* ]]; then descriptions+=("${line#*$'\t'}"); else descriptions+=(""); fi
    done <<<"$answer"

    if ((directive & 8)); then
        local file
        while IFS= read -r file; do
            if [[ -d $file ]] || [[ ".${file##*.}" == .@($extensions) ]]; then COMPREPLY+=("$file"); fi
        done < <(compgen -f -- "$current")
        compopt -o filenames 2>/dev/null
        return 0
    fi
    if ((directive & 16)); then
        while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -d -- "$current")
        compopt -o filenames 2>/dev/null
        return 0
    fi

    ((directive & 2)) && compopt -o nospace 2>/dev/null
    ((directive & 32)) && compopt -o nosort 2>/dev/null
    if ((${#candidates[@]} == 0)); then
        if ! ((directive & 4)); then
            while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "${current#"$cut"}")
            compopt -o filenames 2>/dev/null
        fi
        return 0
    fi

    # A description is shown only in a list of several: what is inserted must be the bare word.
    local width=0
    for line in "${candidates[@]}"; do ((${#line} > width)) && width=${#line}; done
    for i in "${!candidates[@]}"; do
        line="$flag${candidates[i]#"$cut"}"
        if ((${#candidates[@]} > 1)) && [[ -n ${descriptions[i]} && ${COMP_TYPE:-9} != 37 ]]; then
            printf -v line '%-*s  (%s)' $((width - ${#cut} + ${#flag})) "$line" "${descriptions[i]}"
        fi
        COMPREPLY+=("$line")
    done
}

shopt -s extglob
complete -F __@ID@_complete @PROGRAM@
