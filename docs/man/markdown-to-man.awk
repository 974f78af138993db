# Makes a man page (roff, macros of man(7)) from the Markdown that this documentation uses: headings, paragraphs, lists, code
# blocks, tables, and `code`, **bold** and [links](...) in them. A table becomes a list of terms.

# TEXT for roff: no backslash and no leading dot means anything. In code a "-" is a minus, which can be copied.
function escaped(text, is_code) {
    gsub(/\\/, "\\e", text)
    if (is_code) {
        gsub(/-/, "\\-", text)
        gsub(/\^/, "\\(ha", text)
        gsub(/~/, "\\(ti", text)
        gsub(/`/, "\\(ga", text)
        gsub(/'/, "\\(aq", text)
    }
    return text
}

function safe(line) {
    return line ~ /^[.']/ ? "\\\\&" line : line
}

function inline(text,    out, rest, code) {
    gsub(/\\\|/, "|", text)
    while (match(text, /`[^`]+`/)) {
        code = substr(text, RSTART + 1, RLENGTH - 2)
        rest = substr(text, RSTART + RLENGTH)
        out = out plain(substr(text, 1, RSTART - 1)) "\\fB" escaped(code, 1) "\\fR" # plain() sets RSTART too
        text = rest
    }
    return out plain(text)
}

function plain(text,    out, link) {
    while (match(text, /!?\[[^]]*\]\([^)]*\)/)) {
        link = substr(text, RSTART, RLENGTH)
        sub(/^!?\[/, "", link)
        sub(/\]\(.*$/, "", link)
        text = substr(text, 1, RSTART - 1) link substr(text, RSTART + RLENGTH)
    }
    text = escaped(text, 0)
    while (match(text, /\*\*[^*]+\*\*/))
        text = substr(text, 1, RSTART - 1) "\\fB" substr(text, RSTART + 2, RLENGTH - 4) "\\fR" substr(text, RSTART + RLENGTH)
    return text
}

# A text that was collected over several lines, such as a paragraph or an item.
function flush(    first) {
    if (held != "") {
        first = inline(held)
        print (first ~ /^[.']/ ? "\\&" : "") first
    }
    held = ""
}

function cells(line, into,    n, i) {
    gsub(/\\\|/, "\001", line)
    sub(/^\| */, "", line)
    sub(/ *\|$/, "", line)
    n = split(line, into, / *\| */)
    for (i = 1; i <= n; i++)
        gsub(/\001/, "|", into[i])
    return n
}

function row(line,    n, i, c, text) {
    n = cells(line, c)
    print ".TP\n" safe(inline(c[1]))
    if (head[1] == "key") { # a key of the configuration
        print "Type: " inline(c[2]) ". Default: " inline(c[3]) "." (c[4] != "" ? " Range: " inline(c[4]) "." : "") \
            (c[5] == "restart" ? " A change needs a restart." : "")
        if (c[6] != "")
            print ".br\n" safe(inline(c[6]) ".")
        return
    }
    for (i = 2; i <= n; i++)
        if (c[i] != "")
            text = text (text != "" ? "\n.br\n" : "") safe((n > 2 ? inline(head[i]) ": " : "") inline(c[i]))
    print text == "" ? "\\&" : text
}

BEGIN {
    printf ".\\\" Made by docs/man/make-page. Do not edit.\n"
    printf ".TH %s %s \"\" \"Hookpace %s\" \"Hookpace\"\n.nh\n.ad l\n", toupper(name), section, version
}

/^```/ {
    flush()
    in_code = !in_code
    print in_code ? ".PP\n.RS 4\n.nf" : ".fi\n.RE"
    next
}
in_code { print ($0 ~ /^[.']/ ? "\\&" : "") escaped($0, 1); next }

/^## / { flush(); print ".SH \"" toupper(inline(substr($0, 4))) "\""; next }
/^###+ / { flush(); sub(/^#+ /, ""); print ".SS \"" inline($0) "\""; next }
/^# / { next }
/^!\[/ { next }

/^\|/ {
    flush()
    if (!in_table) {
        delete head
        cells($0, head)
        in_table = 1
    } else if ($0 !~ /^\| *:?-+/) {
        row($0)
    }
    next
}
{ if (in_table) print ".PP"; in_table = 0 }

/^\* / { flush(); print ".IP \\(bu 2"; held = substr($0, 3); next }
/^[0-9]+\. / { flush(); print ".IP " substr($0, 1, index($0, " ") - 1) " 4"; held = substr($0, index($0, " ") + 1); next }
/^[ \t]*$/ { if (held != "") { flush(); print ".PP" } next }
{ sub(/^ +/, ""); held = (held == "" ? "" : held " ") $0 }

END { flush() }
