package config

import (
	"os"
	"reflect"
	"slices"
)

// Exposed returns those of the files with secrets and keys that users other
// than owner and group have come to have a permission for, sorted. Load
// refuses them.
func (c *Config) Exposed() []string {
	var files []string
	collectFiles(reflect.ValueOf(c), &files, reflect.TypeFor[PrivateFile](), reflect.TypeFor[Secret]())
	slices.Sort(files)
	return slices.DeleteFunc(slices.Compact(files), func(file string) bool {
		info, err := os.Stat(file)
		return err != nil || info.Mode()&othersMask == 0
	})
}
