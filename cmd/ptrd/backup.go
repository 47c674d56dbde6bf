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

func newBackup(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "backup DIR",
		Short: "Copy the state directory, also while the server runs",
		Long: `backup copies the journal, the contents of zones that have no other source, and the
secret for cookies into a new directory, all as of one moment, and verifies the copy.
The server goes on meanwhile. Only a directory with the file backup.json is a complete
backup; its files can be read by their owner alone.

The configuration, the files that it names and keys are not part of it.`,
		Example: `  ptrd backup /var/backups/ptrd/2026-11-29`,
		Args:    exactly(1, "a directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			dir, err := g.stateDir()
			if err != nil {
				return err
			}
			r, w := io.Pipe()
			sent := make(chan struct{})
			go func() {
				defer close(sent)
				err := control.Call(cmd.Context(), control.Path(dir), daemon.VerbBackup, url.Values{}, w)
				if down := new(control.NotRunningError); errors.As(err, &down) {
					err = backup.StreamStopped(dir, w)
				}
				w.CloseWithError(err) // which Receive returns; nil: io.EOF
			}()
			m, err := backup.Receive(args[0], r)
			r.Close()
			<-sent
			if err != nil {
				return fmt.Errorf("backup: %w", err)
			}
			return show(cmd, asJSON, m)
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func newRestore(g *globals) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "restore DIR",
		Short: "Put a backup into the state directory of a stopped server",
		Long: `restore verifies a backup, sets aside what is in the state directory now, and puts the
files of the backup there. It deletes nothing, and refuses while a server runs.

Serials do not go back: those in the journal that is set aside are taken over, and at
its next start the server asks the targets of NOTIFY for theirs. A zone that was served
with a later serial than the backup has gets a later one yet.`,
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
					err = errors.New("a server runs with this state_dir; stop it first")
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
			return show(cmd, asJSON, r)
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}
