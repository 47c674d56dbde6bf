package assemble

import (
	"path/filepath"
	"testing"

	"github.com/ptrd/ptrd/internal/config"
)

// TestExamples: the configurations in examples have neither errors nor warnings.
func TestExamples(t *testing.T) {
	paths, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatal("no examples", err)
	}
	for _, path := range paths {
		cfg, err := config.Load(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		findings, err := Check(t.Context(), cfg)
		if err != nil {
			t.Error(err)
		}
		for _, f := range findings {
			t.Errorf("%s: %s", path, f.Report())
		}
	}
}
