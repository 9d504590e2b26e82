package pipeline

import "testing"

func TestWhatConcernsAStack(t *testing.T) {
	none := []string(nil)
	for name, c := range map[string]struct {
		changed  string
		dir      string
		patterns []string
		reads    []string
		want     bool
	}{
		"in the folder":                        {"shop/a", "shop", none, none, true},
		"in a folder named alike":              {"shopping/a", "shop", none, none, false},
		"everywhere":                           {"x", ".", none, none, true},
		"read":                                 {"shared/a", "shop", none, []string{"shared/a"}, true},
		"beside what was read":                 {"shared/b", "shop", none, []string{"shared/a"}, false},
		"in a folder that was read":            {"shared/conf/new", "shop", none, []string{"shared/conf"}, true},
		"a pattern":                            {"shared/x/a", "shop", []string{"shared/**"}, none, true},
		"a pattern below a file":               {"shared/x", "shop", []string{"shared/*/a"}, none, false},
		"another pattern":                      {"other/a", "shop", []string{"shared/**"}, none, false},
		"a submodule in the folder":            {"shop/lib/", "shop", none, none, true},
		"a submodule around the folder":        {"apps/", "apps/shop", none, none, true},
		"a submodule that is read":             {"lib/", "shop", none, []string{"lib/app.conf"}, true},
		"a submodule in a folder that is":      {"shared/lib/", "shop", none, []string{"shared"}, true},
		"a submodule as a delivery names it":   {"lib", "shop", none, []string{"lib/app.conf"}, true},
		"another submodule":                    {"lib/", "shop", none, []string{"library/app.conf"}, false},
		"a pattern into a submodule":           {"lib/", "shop", []string{"lib/*.conf"}, none, true},
		"a pattern around a submodule":         {"shared/lib/", "shop", []string{"shared/**"}, none, true},
		"a pattern for every folder":           {"lib/", "shop", []string{"**/app.conf"}, none, true},
		"a pattern into another submodule":     {"lib/", "shop", []string{"other/*.conf", "li"}, none, false},
		"a pattern that ends above":            {"shared/lib/", "shop", []string{"shared"}, none, false},
		"a pattern with parts":                 {"lib/", "shop", []string{"{lib/a,other/b}"}, none, true},
		"a pattern of one level above another": {"a/b/c/", "shop", []string{"a/*/d"}, none, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Concerns([]string{"unrelated", c.changed}, c.dir, c.patterns, c.reads)
			if c.dir == "." {
				got, err = Concerns([]string{c.changed}, c.dir, c.patterns, c.reads)
			}
			if err != nil || (got != "") != c.want || c.want && got != c.changed {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	if _, err := Concerns([]string{"a"}, "shop", []string{"["}, none); err == nil {
		t.Error("a pattern that is none is taken")
	}
}
