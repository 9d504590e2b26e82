package secrets

import (
	"strings"
	"unicode"
)

// A statement is one NAME=value of a dotenv text, where Compose's parser sees it.
type statement struct {
	name  string
	value string // as written, with its quotes, or to the end of the line
	quote byte   // what it begins with: ', ", or 0
	line  int
}

// split finds the statements. It is stricter than Compose, which takes a line
// without "=", and text after a closing quote, for the name of a variable to
// be inherited from the process.
func split(path, text string) ([]statement, error) {
	var out []statement
	for line := 1; text != ""; {
		first, rest, _ := strings.Cut(text, "\n")
		if skipped(first) {
			text = rest
			line++
			continue
		}
		s, length, err := readStatement(path, text, line)
		if err != nil {
			return nil, err
		}
		line += strings.Count(text[:length], "\n")
		text = text[length:]
		out = append(out, s)
	}
	return out, nil
}

func skipped(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || line[0] == '#'
}

// readStatement reads the statement at the start of text, and returns with it
// how much of the text it takes, line end included.
func readStatement(path, text string, line int) (statement, int, error) {
	first, _, _ := strings.Cut(text, "\n")
	name, _, ok := strings.Cut(first, "=")
	if !ok {
		return statement{}, 0, noEquals(path, first, line)
	}
	s := statement{name: nameOf(name), line: line}
	if !validName.MatchString(s.name) {
		// The name is not quoted: it may be a line of a key that was pasted.
		return statement{}, 0, &Error{Path: path, Line: line, Problem: `what stands before "=" is no name of a variable`,
			Hint: `write NAME=value, with letters, digits and "_" in the name and a value of several lines in one, in double quotes with \n`}
	}
	value := strings.TrimLeftFunc(text[len(name)+1:], isBlank)
	start := len(text) - len(value)
	if value == "" || value[0] != '"' && value[0] != '\'' {
		s.value, _, _ = strings.Cut(value, "\n")
		return s, min(start+len(s.value)+1, len(text)), nil
	}
	s.quote = value[0]
	length := quoted(value)
	if length == 0 {
		return statement{}, 0, &Error{Path: path, Line: line, Problem: "the value of " + s.name + " begins with a quote that is not closed",
			Hint: "close it, or put the whole value in the other kind of quotes"}
	}
	s.value = value[:length]
	tail, _, _ := strings.Cut(value[length:], "\n")
	if !skipped(tail) {
		return statement{}, 0, &Error{Path: path, Line: line, Problem: "text follows the closing quote of " + s.name,
			Hint: `put the whole value in quotes, and write \" for a quote inside double ones`}
	}
	return s, min(start+length+len(tail)+1, len(text)), nil
}

func noEquals(path, first string, line int) *Error {
	err := &Error{Path: path, Line: line, Problem: `the line has no "="`,
		Hint: `write NAME=value, a comment with "#" first, and a value of several lines in one, in double quotes with \n`}
	if strings.HasPrefix(first, "<<<<<<<") {
		err.Problem = "the line is a mark of a merge conflict"
		err.Hint = "take one version of the file whole, and make the changes of the other again"
	}
	return err
}

// nameOf strips what Compose strips from what stands before "=".
func nameOf(s string) string {
	s = strings.TrimLeftFunc(s, unicode.IsSpace)
	s = strings.TrimPrefix(s, exportPrefix.FindString(s))
	return strings.TrimSpace(s)
}

// quoted returns the length of the quoted string that s begins with, quotes
// included; 0 where it is not closed.
func quoted(s string) int {
	escaped := false
	for i := 1; i < len(s); i++ {
		switch {
		case escaped:
			escaped = false
		case s[i] == '\\':
			escaped = true
		case s[i] == s[0]:
			return i + 1
		}
	}
	return 0
}

// isBlank is Compose's idea of a space within a line.
func isBlank(r rune) bool { return r != '\n' && r <= unicode.MaxLatin1 && unicode.IsSpace(r) }
