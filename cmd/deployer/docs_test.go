package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// commandsOf returns the lines of a text that call deployer: those of its
// blocks of shell, and what init prints, which is indented.
func commandsOf(text string) (out []string) {
	shell := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "```") {
			shell = line == "```sh"
			continue
		}
		if !shell && !strings.HasPrefix(line, "     ") {
			continue
		}
		line, _, _ = strings.Cut(line, " #")
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "deployer ") {
			out = append(out, line)
		}
	}
	return out
}

// wrong says what is wrong with a command line, without running it.
func wrong(line string) string {
	args := strings.Fields(regexp.MustCompile(`"[^"]*"`).ReplaceAllString(line, "text"))[1:]
	cmd, rest, err := newRoot().Find(args)
	if err != nil {
		return err.Error()
	}
	if !cmd.Runnable() || cmd.Name() == "deployer" {
		return "it names no command"
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err.Error()
	}
	if err := cmd.ValidateArgs(cmd.Flags().Args()); err != nil {
		return err.Error()
	}
	return ""
}

func TestEveryCommandOfTheDocsExists(t *testing.T) {
	var printed bytes.Buffer
	if err := (registryDone{Dir: "infra", KeyFile: "age.key"}).explain(&printed); err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{"what init prints": printed.String()}
	for _, name := range []string{"README.md", "docs/registry.md", "docs/registry.fr.md", "docs/operate.md"} {
		texts[name] = read(t, filepath.Join("..", "..", name))
	}
	for name, text := range texts {
		lines := commandsOf(text)
		if len(lines) < 2 {
			t.Errorf("%s: only %d commands were found", name, len(lines))
		}
		for _, line := range lines {
			line, _, _ = strings.Cut(line, " && ")
			if why := wrong(line); why != "" {
				t.Errorf("%s: %s: %s", name, line, why)
			}
		}
	}
	for _, line := range []string{"deployer chek .", "deployer check", "deployer deploy app --enviroment dev"} {
		if wrong(line) == "" {
			t.Errorf("%s is taken for right", line)
		}
	}
}

// TestBothRegistryGuidesSayTheSame compares the commands of the two languages.
func TestBothRegistryGuidesSayTheSame(t *testing.T) {
	same := strings.NewReplacer("mondomaine.com", "example.com", "essai de l'UI", "trying the UI")
	english := commandsOf(read(t, "../../docs/registry.md"))
	french := commandsOf(same.Replace(read(t, "../../docs/registry.fr.md")))
	if strings.Join(english, "\n") != strings.Join(french, "\n") {
		t.Errorf("English:\n%s\nFrench:\n%s", strings.Join(english, "\n"), strings.Join(french, "\n"))
	}
}

// TestChecklistNamesTestsThatExist holds the last column of docs/checklist.md
// to the repository.
func TestChecklistNamesTestsThatExist(t *testing.T) {
	needs(t, exampleChecks...)
	text := read(t, "../../docs/checklist.md")
	for _, file := range regexp.MustCompile("`([a-z0-9_/]+_test\\.go)`").FindAllStringSubmatch(text, -1) {
		if _, err := os.Stat(filepath.Join("..", "..", filepath.FromSlash(file[1]))); err != nil {
			t.Error(err)
		}
	}
	for _, name := range regexp.MustCompile(`\bTest[A-Z]\w+`).FindAllString(text, -1) {
		if err := exec.Command("grep", "-rq", "--include=*_test.go", "func "+name+"(", "../..").Run(); err != nil {
			t.Errorf("no test is called %s", name)
		}
	}
}
