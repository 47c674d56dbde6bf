package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"github.com/ptrd/ptrd/internal/backup"
	"github.com/ptrd/ptrd/internal/control"
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/internal/privilege"
	"github.com/spf13/cobra"
)

func newRestore(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restore DIR",
		Short: "Put a backup into the state directory of a stopped server",
		Long: `restore verifies a backup, sets the present files of the state directory aside, and copies
the files of the backup there. It deletes nothing, and fails if a server runs.

Serials do not go back: restore uses those in the journal that it sets aside, and at its
next start the server queries the targets of NOTIFY for theirs. A zone that was served with
a later serial than in the backup gets a new serial that is later still.`,
		Example: `  ptrd restore /var/backups/ptrd/2026-11-29`,
		Args:    exactly(1, "a directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := g.load()
			if err != nil {
				return err
			}
			err = control.Call(cmd.Context(), control.Path(cfg.StateDir), daemon.VerbStatus, url.Values{}, io.Discard)
			if down := new(control.NotRunningError); !errors.As(err, &down) {
				if err == nil {
					err = errors.New("a server is running with this state_dir; stop it first")
				}
				return fmt.Errorf("restore: %w", err)
			}
			own := func(string) error { return nil }
			if cfg.User != "" && privilege.IsRoot() {
				a, err := privilege.Lookup(cfg.User)
				if err != nil {
					return fmt.Errorf("%s: user: %w", cfg.File, err)
				}
				own = func(path string) error { return os.Lchown(path, a.UID, a.GID) }
			}
			r, err := backup.Restore(filepath.Clean(args[0]), cfg.StateDir, own)
			if err != nil {
				return fmt.Errorf("restore: %w", err)
			}
			return g.show(cmd, r)
		},
	}
	g.addJSON(cmd)
	return cmd
}
