# fish completion for @PROGRAM@ @LEAD@
#
# Asks "@PROGRAM@ @LEAD@ @REQUEST@ WORDS... CURRENT"; the answer is one candidate per line, with a
# description after a tab, and a last line ":N" with directives: 1 error, 2 no space, 4 no files,
# 8 file extensions, 16 directories, 32 keep the order.

function __@ID@_complete
    set -l lead @LEAD@
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    if test (count $lead) -gt 0
        test (count $words) -gt (count $lead); or return
        test "$words[2..(math 1 + (count $lead))]" = "$lead"; or return
    end
    set -l asked $words[(math 2 + (count $lead))..]
    set -l lines ($words[1] $lead @REQUEST@ $asked "$current" 2>/dev/null)
    test (count $lines) -gt 0; or return
    set -l directive (string replace -r '^:' '' -- $lines[-1])
    string match -qr '^[0-9]+$' -- $directive; or return
    set -e lines[-1]
    if test (math "bitand($directive, 1)") -ne 0
        return
    end
    if test (math "bitand($directive, 8)") -ne 0
        for extension in $lines
            __fish_complete_suffix "$current" ".$extension"
        end
        return
    end
    if test (math "bitand($directive, 16)") -ne 0
        __fish_complete_directories "$current" ""
        return
    end
    set -l prefix (string match -r -- '^--?[^=]+=' "$current")
    for line in $lines
        echo $prefix$line
    end
    if test (count $lines) -eq 0; and test (math "bitand($directive, 4)") -eq 0
        __fish_complete_path "$current"
    end
end

complete -c @PROGRAM@ -f -a '(__@ID@_complete)'
