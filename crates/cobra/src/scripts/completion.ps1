# PowerShell completion for @PROGRAM@ @LEAD@
#
# Asks "@PROGRAM@ @LEAD@ @REQUEST@ WORDS... CURRENT"; the answer is one candidate per line, with a
# description after a tab, and a last line ":N" with directives: 1 error, 2 no space, 4 no files,
# 8 file extensions, 16 directories, 32 keep the order.

Register-ArgumentCompleter -Native -CommandName '@PROGRAM@' -ScriptBlock {
    param($WordToComplete, $CommandAst, $CursorPosition)

    $Lead = @('@LEAD@' -split ' ' | Where-Object { $_ })
    $Words = @($CommandAst.CommandElements | ForEach-Object { $_.ToString() })
    if (-not $WordToComplete) { $Words += '' }
    for ($i = 0; $i -lt $Lead.Count; $i++) {
        if ($Words.Count -le $i + 2 -or $Words[$i + 1] -ne $Lead[$i]) { return }
    }
    $Asked = @($Words | Select-Object -Skip (1 + $Lead.Count))
    # Older PowerShell drops empty arguments of native programs unless they are quoted.
    if ($PSVersionTable.PSVersion -lt [version]'7.3') {
        $Asked = @($Asked | ForEach-Object { if ($_ -eq '') { '""' } else { $_ } })
    }
    $Lines = @(& $Words[0] @Lead '@REQUEST@' @Asked 2>$null)
    if ($Lines.Count -eq 0 -or $Lines[-1] -notmatch '^:(\d+)$') { return }
    $Directive = [int]$Matches[1]
    if (($Directive -band 1) -or ($Directive -band 24)) { return }
    $Space = if ($Directive -band 2) { '' } else { ' ' }

    $Lines | Select-Object -SkipLast 1 | ForEach-Object {
        $Word, $Description = $_ -split "`t", 2
        if (-not $Description) { $Description = $Word }
        [System.Management.Automation.CompletionResult]::new("$Word$Space", $Word, 'ParameterValue', $Description)
    }
}
