package check

import (
	"fmt"
	"slices"
	"strings"
)

// Suggest ends a sentence about an unknown word: with the word that was
// probably meant, else with all that are known.
func Suggest(word string, known []string) string {
	best := Nearest(word, known)
	all := strings.Join(known, ", ")
	if best == "" {
		return "known are " + all
	}
	return fmt.Sprintf("did you mean %q? Known are %s", best, all)
}

// Nearest is the word that was probably meant by one that is not known; empty
// where none is like it. It sorts known.
func Nearest(word string, known []string) (best string) {
	slices.Sort(known)
	distance := len(word)/3 + 2
	for _, k := range known {
		if d := edits(strings.ToLower(word), k); d < distance {
			best, distance = k, d
		}
	}
	return best
}

// edits counts the insertions, deletions and replacements between two words.
func edits(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return len(a) + len(b)
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
