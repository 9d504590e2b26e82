package secrets_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"deployer/secrets"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func redactorFor(values ...string) *secrets.Redactor {
	r := secrets.NewRedactor()
	for _, v := range values {
		r.Add(secrets.NewValue(v))
	}
	return r
}

func TestRedactMasksEveryForm(t *testing.T) {
	const secret = `p<ä>&"\ /?+s~'t`
	basic := base64.StdEncoding.EncodeToString([]byte("user:" + secret))
	tests := []struct{ name, text, want string }{
		{"as it is", "a " + secret + " b", "a [redacted] b"},
		{"twice", secret + "," + secret, "[redacted],[redacted]"},
		{"JSON", `{"p":` + jsonOf(secret) + `}`, `{"p":"[redacted]"}`},
		{"JSON with Unicode escapes and slashes", `"p<\u00e4>&\"\\ /?+s~'t"`, `"[redacted]"`},
		{"JSON of PHP", `"p<ä>&\"\\ \/?+s~'t"`, `"[redacted]"`},
		{"Go", fmt.Sprintf("%q", secret), `"[redacted]"`},
		{"query", "?p=" + url.QueryEscape(secret) + "&x=1", "?p=[redacted]&x=1"},
		{"path", "/" + url.PathEscape(secret) + "/x", "/[redacted]/x"},
		{"lower case escapes", "/" + lowerEscapes(url.PathEscape(secret)), "/[redacted]"},
		{"credentials of a URL", "http://" + url.UserPassword("u", secret).String() + "@h", "http://u:[redacted]@h"},
		{"encodeURIComponent", "p%3C%C3%A4%3E%26%22%5C%20%2F%3F%2Bs~'t", "[redacted]"},
		{"base64", base64.StdEncoding.EncodeToString([]byte(secret)), "[redacted]"},
		{"base64 without padding", base64.RawURLEncoding.EncodeToString([]byte(secret)), "[redacted]"},
		{"nothing to mask", "an ordinary line", "an ordinary line"},
		{"empty", "", ""},
	}
	r := redactorFor(secret)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := r.Redact(tt.text); got != tt.want {
				t.Errorf("%q becomes %q, want %q", tt.text, got, tt.want)
			}
			if got := string(r.Bytes([]byte(tt.text))); got != tt.want {
				t.Errorf("Bytes: %q becomes %q, want %q", tt.text, got, tt.want)
			}
		})
	}
	if got := r.Redact("Authorization: Basic " + basic); !strings.Contains(got, "[redacted]") || strings.Contains(got, basic[12:20]) {
		t.Errorf("Basic credentials become %q", got)
	}
}

func jsonOf(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func lowerEscapes(s string) string {
	parts := strings.Split(s, "%")
	for i := 1; i < len(parts); i++ {
		parts[i] = strings.ToLower(parts[i][:2]) + parts[i][2:]
	}
	return strings.Join(parts, "%")
}

func TestRedactOverlapsLengthsAndParts(t *testing.T) {
	tests := []struct {
		name    string
		secrets []string
		text    string
		want    string
	}{
		{"the longest wins", []string{"secret", "secret-long"}, "secret-long secret", "[redacted] [redacted]"},
		{"overlapping ones leave nothing", []string{"abcdef", "defghi", "hijklm"}, "xabcdefghijklmx", "x[redacted]x"},
		{"one inside another", []string{"bcdefg", "abcdefghij"}, "abcdefghij", "[redacted]"},
		{"less than 6 characters", []string{"abcde", "ééééé"}, "abcde ééééé", "abcde ééééé"},
		{"6 characters", []string{"éééééé"}, "-éééééé-", "-[redacted]-"},
		{"the mask's own text", []string{"redacted"}, "[redacted]", "[redacted]"},
		{"lines of a key", []string{"-----BEGIN\nMIIEvQ\nab\n"}, "web | MIIEvQ\nweb | ab", "web | [redacted]\nweb | ab"},
		{"a value without its line end", []string{"password\n"}, "password.", "[redacted]."},
		{"password of a URL", []string{"postgres://app:hunter22@db/x"}, "auth failed: hunter22", "auth failed: [redacted]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := redactorFor(tt.secrets...).Redact(tt.text); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTooShort(t *testing.T) {
	k := newKey(t)
	env := open(t, k.ring(), encrypt(t, "A=true\nB=long enough\nC=ééééé\nD=\nPUBLIC=1\n", "^[A-D]$", k.recipient))
	if diff := cmp.Diff([]string{"A", "C"}, secrets.TooShort(env)); diff != "" {
		t.Error(diff)
	}
}

// TestNoFormSurvivesAnyChunking writes a text with forms of secrets in pieces
// and looks for what is left of them.
func TestNoFormSurvivesAnyChunking(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune("ab1\"\\<é&\n /+%")), 6, 12, -1), 1, 3).Draw(t, "secrets")
		r := redactorFor(values...)
		var text strings.Builder
		var forms []string
		for range rapid.IntRange(1, 6).Draw(t, "n") {
			s := rapid.SampledFrom(values).Draw(t, "secret")
			form := rapid.SampledFrom([]string{
				s, jsonOf(s), url.QueryEscape(s), url.PathEscape(s), strconv.Quote(s),
				base64.StdEncoding.EncodeToString([]byte(s)), base64.RawURLEncoding.EncodeToString([]byte(s)),
			}).Draw(t, "form")
			form = strings.TrimSuffix(strings.TrimPrefix(form, `"`), `"`)
			if form == s || len(form) > len(s) {
				forms = append(forms, form)
			}
			text.WriteString(rapid.SampledFrom([]string{"", "x", "\n", "a line\n", "[", strings.Repeat("y", 70<<10)}).Draw(t, "between") + form)
		}
		got := writeInChunks(t, r, text.String())
		for _, form := range forms {
			if strings.Contains(got, form) {
				t.Fatalf("%q survives in %q", form, got)
			}
		}
	})
}

func writeInChunks(t *rapid.T, r *secrets.Redactor, text string) string {
	var out bytes.Buffer
	w := r.Writer(&out)
	for text != "" {
		n := min(len(text), rapid.SampledFrom([]int{1, 2, 3, 5, 8, 100, 60 << 10, 80 << 10}).Draw(t, "chunk"))
		if written, err := w.Write([]byte(text[:n])); written != n || err != nil {
			t.Fatalf("wrote %d of %d, %v", written, n, err)
		}
		text = text[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestNoAlignmentOfBase64Survives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringOfN(rapid.RuneFrom([]rune("abcXYZ123")), 6, 20, -1).Draw(t, "secret")
		before := rapid.StringOfN(rapid.RuneFrom([]rune(":-_.")), 0, 7, -1).Draw(t, "before")
		after := rapid.StringOfN(rapid.RuneFrom([]rune(":-_.")), 0, 7, -1).Draw(t, "after")
		encoded := base64.StdEncoding.EncodeToString([]byte(before + secret + after))
		got := redactorFor(secret).Redact(encoded)
		if !strings.Contains(got, "[redacted]") {
			t.Fatalf("%q in %q is not masked", secret, encoded)
		}
		// What is left at either side belongs to no whole character of six bits
		// of the secret: at most the one that it shares with its neighbour.
		left, right, _ := strings.Cut(got, "[redacted]")
		if want := (len(before)*8 + 5) / 6; len(left) > want {
			t.Fatalf("%d characters are left before the mask, want at most %d", len(left), want)
		}
		if want := len(encoded) - (len(before)+len(secret))*8/6; len(right) > want {
			t.Fatalf("%d characters are left after the mask, want at most %d", len(right), want)
		}
	})
}

func TestWriterHandsOnWholeLinesAtOnce(t *testing.T) {
	var out bytes.Buffer
	w := redactorFor("password").Writer(&out)
	for _, step := range []struct{ write, want string }{
		{"one ", ""},
		{"line\ntwo pass", "one line\n"},
		{"word\n", "one line\ntwo [redacted]\n"},
		{"no end", "one line\ntwo [redacted]\n"},
	} {
		fmt.Fprint(w, step.write)
		if got := out.String(); got != step.want {
			t.Fatalf("after %q: %q, want %q", step.write, got, step.want)
		}
	}
	w.Close()
	if !strings.HasSuffix(out.String(), "\nno end") {
		t.Errorf("at the end: %q", out.String())
	}
}

// An overlong line is written without its end, here after 128 KiB: before,
// within or after a secret, which overlaps another.
func TestSecretAroundTheCutOfAnOverlongLineIsMasked(t *testing.T) {
	const cut, secret, rest = 128 << 10, "password-abcdef", "abc!zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"
	for shift := range len(secret + rest) {
		var out bytes.Buffer
		w := redactorFor(secret, "defabc").Writer(&out)
		text := strings.Repeat("y", cut-shift) + secret + rest
		mustWrite(t, w, text[:cut])
		if out.Len() == 0 {
			t.Fatal("nothing is written at the cut")
		}
		mustWrite(t, w, text[cut:])
		w.Close()
		if got, want := strings.TrimLeft(out.String(), "y"), "[redacted]"+rest[3:]; got != want {
			t.Errorf("shifted by %d: %q, want %q", shift, got, want)
		}
	}
}

func TestWriterBoundsWhatItHolds(t *testing.T) {
	var out bytes.Buffer
	w := redactorFor("password", "aaaaaaaa").Writer(&out)
	const total = 1 << 20
	for _, text := range []string{"-", "a"} {
		out.Reset()
		mustWrite(t, w, strings.Repeat(text, total))
		if text == "-" && out.Len() < total-128<<10 {
			t.Errorf("%d of %d bytes written", out.Len(), total)
		}
	}
	w.Close()
	if strings.Contains(out.String(), "aa") {
		t.Error("a part of an endless secret is left")
	}
}

func TestRedactorIsChangedWhileInUse(t *testing.T) {
	r := secrets.NewRedactor()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			secret := fmt.Sprintf("secret-%d", i)
			for range 50 {
				r.Add(secrets.NewValue(secret))
				if got := r.Redact(secret); got != "[redacted]" {
					t.Errorf("got %q", got)
				}
			}
		})
	}
	wg.Wait()
}

func BenchmarkRedact(b *testing.B) {
	r := secrets.NewRedactor()
	for i := range 30 {
		r.Add(secrets.NewValue(fmt.Sprintf("Zx%d-Kq8!vT<%dpL", i, i*7919)))
	}
	line := `time=2026-01-02T03:04:05Z level=INFO msg="GET /v2/library/alpine/manifests/latest" status=200 duration=12ms remote=10.0.0.7 ` + strings.Repeat("x", 80)
	for name, text := range map[string]string{"clean": line, "one": line + " token=Zx7-Kq8!vT<55433pL"} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				r.Redact(text)
			}
		})
	}
}

func mustWrite(t *testing.T, w io.Writer, text string) {
	t.Helper()
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
}
