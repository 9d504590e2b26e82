package gittest

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Files are a commit's changes by path.
type Files map[string]File

// A File is one change of a commit: see Text, Exec, Symlink, Submodule and Removed.
type File struct {
	mode    string // empty: removed
	content string
}

// Text is a regular file.
func Text(content string) File { return File{"100644", content} }

// Exec is a file with the executable bit.
func Exec(content string) File { return File{"100755", content} }

// Symlink is a symbolic link to a target, which need not exist.
func Symlink(target string) File { return File{"120000", target} }

// Submodule is a reference to a commit of another repository.
func Submodule(commit string) File { return File{"160000", commit} }

// Modules is a .gitmodules with a url for each path.
func Modules(urls map[string]string) File {
	var text strings.Builder
	for _, path := range slices.Sorted(maps.Keys(urls)) {
		fmt.Fprintf(&text, "[submodule %q]\n\tpath = %s\n\turl = %s\n", path, path, urls[path])
	}
	return Text(text.String())
}

// Removed takes a file or a folder away.
func Removed() File { return File{} }

// write writes the change as git fast-import reads it.
func (f File) write(w io.Writer, path string) {
	switch f.mode {
	case "":
		fmt.Fprintf(w, "D %s\n", strconv.Quote(path))
	case "160000":
		fmt.Fprintf(w, "M %s %s %s\n", f.mode, f.content, strconv.Quote(path))
	default:
		fmt.Fprintf(w, "M %s inline %s\ndata %d\n%s\n", f.mode, strconv.Quote(path), len(f.content), f.content)
	}
}

// sortedPaths puts removals first, so that a file can become a folder.
func sortedPaths(files Files) []string {
	return slices.SortedFunc(maps.Keys(files), func(a, b string) int {
		if ra, rb := files[a].mode == "", files[b].mode == ""; ra != rb {
			if ra {
				return -1
			}
			return 1
		}
		if a < b {
			return -1
		}
		return 1
	})
}
