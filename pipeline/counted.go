package pipeline

import "fmt"

// counted is a number of things, by a noun whose plural has an s.
func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}
