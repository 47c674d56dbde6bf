package config

import (
	"errors"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the expected messages; read them afterwards as an operator would")

// TestErrors reads each NAME.yaml of testdata/errors/*.txtar and compares all of
// its messages, in order, with NAME.want. It may include the files NAME/*.
func TestErrors(t *testing.T) {
	for _, path := range errorFiles(t) {
		ar, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var out []txtar.File
		for i, f := range ar.Files {
			name, isConfig := strings.CutSuffix(f.Name, ".yaml")
			if !isConfig || strings.Contains(name, "/") {
				if !strings.HasSuffix(f.Name, ".want") {
					out = append(out, f)
				}
				continue
			}
			want := ""
			if i+1 < len(ar.Files) && ar.Files[i+1].Name == name+".want" {
				want = string(ar.Files[i+1].Data)
			}
			included := includedFiles{
				read: func(path string) ([]byte, error) {
					for _, f := range ar.Files {
						if f.Name == name+"/"+path {
							return unescape(f.Data), nil
						}
					}
					return nil, errors.New(path + ": the file cannot be read: no such file or directory")
				},
				list: func(d Directory) (list []string, err error) {
					for _, f := range ar.Files {
						if dir, file := filepath.Split(strings.TrimPrefix(f.Name, name+"/")); filepath.Clean(dir) == d.Path && d.Matches(file) {
							list = append(list, filepath.Join(d.Path, file))
						}
					}
					return list, err
				},
			}
			got := ""
			cfg, err := parse("ptrd.yaml", unescape(f.Data), included)
			var errs Errors
			switch {
			case err == nil:
				t.Errorf("%s: %s: no error", path, f.Name)
			case !errors.As(err, &errs):
				t.Errorf("%s: %s: error is a %T, want Errors", path, f.Name, err)
			case cfg != nil:
				t.Errorf("%s: %s: a config together with the error", path, f.Name)
			default:
				got = err.Error() + "\n"
			}
			if got != want && !*update {
				t.Errorf("%s: %s:\n got %s\nwant %s", path, f.Name, got, want)
			}
			out = append(out, f, txtar.File{Name: name + ".want", Data: []byte(got)})
		}
		if *update {
			ar.Files = out
			if err := os.WriteFile(path, txtar.Format(ar), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// unescape puts the octets in that a text file should not have: `␉` is a tab,
// `␀` octet FF, `␍` a carriage return.
func unescape(data []byte) []byte {
	return []byte(strings.NewReplacer("␉", "\t", "␀", "\xff", "␍", "\r", "␄", "\x04").Replace(string(data)))
}

func errorFiles(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob("testdata/errors/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	return paths
}

// TestErrorsComplete finds every message in the source and asks that one of the
// cases of TestErrors or TestLoadErrors shows it.
func TestErrorsComplete(t *testing.T) {
	var shown strings.Builder
	for _, path := range append(errorFiles(t), "load_test.go") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(data)
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	fset := token.NewFileSet()
	for _, path := range sources {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || !isMessage(call.Fun) {
				return true
			}
			for _, arg := range call.Args {
				format, ok := stringConstant(arg)
				if !ok || len(format) < 10 {
					continue
				}
				count++
				if !messagePattern(format).MatchString(shown.String()) {
					t.Errorf("%v: no case shows %q", fset.Position(arg.Pos()), format)
				}
			}
			return true
		})
	}
	if count < 80 {
		t.Errorf("found %d messages only", count)
	}
}

func isMessage(fun ast.Expr) bool {
	switch f := fun.(type) {
	case *ast.Ident:
		return f.Name == "fail"
	case *ast.SelectorExpr:
		return f.Sel.Name == "fail" || f.Sel.Name == "note"
	}
	return false
}

func stringConstant(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind == token.STRING {
			s, err := strconv.Unquote(e.Value)
			return s, err == nil
		}
	case *ast.BinaryExpr:
		a, ok1 := stringConstant(e.X)
		b, ok2 := stringConstant(e.Y)
		return a + b, ok1 && ok2
	}
	return "", false
}

var verb = regexp.MustCompile(`%(?:[vsdqc]|%)`)

// messagePattern matches what a format makes, on one line.
func messagePattern(format string) *regexp.Regexp {
	literal := verb.Split(format, -1)
	for i, s := range literal {
		literal[i] = regexp.QuoteMeta(s)
	}
	return regexp.MustCompile(strings.Join(literal, `.+?`))
}
