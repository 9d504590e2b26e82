package project

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
)

// contextOf packs the context of a service that is built from src.
func contextOf(t *testing.T, build, dockerfile string, more map[string]string) (*Project, *Build, error) {
	t.Helper()
	files := map[string]string{
		"stack/compose.yaml":      "services: {web: {build: {context: ./src" + build + "}}}\n",
		"stack/src/Dockerfile":    dockerfile,
		"stack/src/page":          "plain, of sops and ENC[",
		"stack/src/conf/app.yaml": sealedFile(t, "app.yaml", "password: correct-horse\n", ""),
		"stack/src/.env.prod":     sealedFile(t, ".env", "PASSWORD=correct-horse\n", ""),
		"stack/src/app.json":      sealedFile(t, "app.json", `{"password": "correct-horse"}`, ""),
		"stack/src/app.ini":       sealedFile(t, "app.ini", "[a]\npassword = correct-horse\n", ""),
		"stack/src/tls.key":       sealedFile(t, "tls.key", "-----BEGIN KEY-----\ncorrect-horse\n", ""),
	}
	maps.Copy(files, more)
	src := source(files)
	src.Dir = "stack"
	p := mustLoad(t, src)
	b, err := p.Build(src.Tree, "web")
	return p, b, err
}

func TestABuildKnowsTheCiphertextThatItCopies(t *testing.T) {
	all := ".env.prod app.ini app.json conf/app.yaml tls.key"
	ignoring := func(text string) map[string]string { return map[string]string{"stack/src/.dockerignore": text} }
	for name, tt := range map[string]struct {
		build, dockerfile string
		more              map[string]string
		want              string // the files; named ones with the line in front
	}{
		"all of it":            {"", "FROM x\nCOPY . .\n", nil, all},
		"added, from the root": {"", "FROM x\nADD / /app\n", nil, all},
		"nothing":              {"", "FROM x\nRUN echo COPY . .\n# COPY . .\n", nil, ""},
		"others":               {"", "FROM x\nCOPY page /\nADD https://example.org/tls.key /\n", nil, ""},
		"one by name":          {"", "FROM x\nCOPY page \\\n  ./tls.key /\n", nil, "2 tls.key"},
		"by name, and all":     {"", "FROM x\nCOPY . .\nCOPY conf/app.yaml app.json /\n", nil, ".env.prod app.ini 3 app.json 3 conf/app.yaml tls.key"},
		"with options":         {"", "FROM x\ncopy --chown=1 --chmod=400 tls.key /\n", nil, "2 tls.key"},
		"as a list":            {"", "FROM x\nCOPY [\"tls.key\", \"/a b\"]\n", nil, "2 tls.key"},
		"its folder":           {"", "FROM x\nCOPY ./conf/ /conf\n", nil, "conf/app.yaml"},
		"by a pattern":         {"", "FROM x\nCOPY app.* con? /\n", nil, "app.ini app.json conf/app.yaml"},
		"of another stage":     {"", "FROM x AS a\nFROM x\nCOPY --from=a . /\n", nil, ""},
		"by a variable":        {"", "FROM x\nARG WHAT\nCOPY ${WHAT} /\n", nil, ""},
		"before the target":    {", target: b", "FROM x AS a\nCOPY tls.key /\nFROM a as B\nCOPY app.ini /\nFROM a\nCOPY . .\n", nil, "4 app.ini 2 tls.key"},
		"target by its number": {", target: '0'", "FROM x\nCOPY tls.key /\nFROM x\nCOPY . .\n", nil, "2 tls.key"},
		"ignored":              {"", "FROM x\nCOPY . .\n", ignoring("*\n!page\n!conf\n"), "conf/app.yaml"},
		"all of it ignored":    {"", "FROM x\nCOPY . .\n", ignoring("**/*.yaml\n.env*\napp.*\n*.key\n"), ""},
		"written inline":       {", dockerfile_inline: \"FROM x\\nCOPY tls.key /\\n\"", "", nil, "2 tls.key"},
		"one that is none":     {"", "COPY [\"\n<<", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, b, err := contextOf(t, tt.build, tt.dockerfile, tt.more)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range b.Ciphertext {
				text := strings.TrimPrefix(c.Path, "./src/")
				if c.Named {
					text = fmt.Sprint(c.Line, " ", text)
				}
				got = append(got, text)
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("it copies %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCiphertextInABuildIsNamed(t *testing.T) {
	p, b, err := contextOf(t, "", "FROM x\nCOPY tls.key /\n", nil)
	if err != nil || len(b.Ciphertext) != 1 {
		t.Fatalf("%v, %+v", err, b)
	}
	said := error(&SealedCopyError{b.Ciphertext[0]})
	if want := "service web: line 2 of Dockerfile copies ./src/tls.key, which is encrypted with SOPS: the build gets the ciphertext"; said.Error() != want {
		t.Errorf("it says %q, want %q", said, want)
	}
	var hint interface{ Hint() string }
	if !errors.As(said, &hint) || !strings.Contains(hint.Hint(), "`secrets:`") {
		t.Error("it says nothing to do")
	}
	if p.Built(b, "image"); p.Opens("stack/src/tls.key") {
		t.Error("that it was built from is no reason to take it for opened")
	}
}

func TestTheStackKnowsWhatItOpens(t *testing.T) {
	files := sealedStack(t, map[string]string{"more.env": sealedFile(t, "more.env", "A=correct-horse\n", "")})
	files["compose.yaml"] = strings.Replace(files["compose.yaml"], "    configs: [plain]\n", "    configs: [plain]\n    env_file: more.env\n", 1)
	p := mustLoad(t, source(files))
	for file, want := range map[string]bool{"app.yaml": true, "tls.key": true, "more.env": true, "plain.conf": false, "compose.yaml": false} {
		if got := p.Opens(file); got != want {
			t.Errorf("%s is opened: %v", file, got)
		}
	}
}
