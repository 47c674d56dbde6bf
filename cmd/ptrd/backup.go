package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"

	"github.com/ptrd/ptrd/internal/backup"
	"github.com/ptrd/ptrd/internal/control"
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/spf13/cobra"
)

func newBackup(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup DIR",
		Short: "Copy the state directory, also while the server runs",
		Long: `backup copies the journal, the contents of zones without another source, and the secret for
cookies into a new directory, consistently and while the server runs, and verifies the copy.
A backup is complete if it has the file backup.json. Only its owner can read the files.

The configuration and the files that it names are not included.`,
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
			return g.show(cmd, m)
		},
	}
	g.addJSON(cmd)
	return cmd
}
