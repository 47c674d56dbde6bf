package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/spf13/cobra"
)

func newHealth(g *globals) *cobra.Command {
	var admin string
	within := 5 * time.Second
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Report whether the running server is ready, for containers and monitoring",
		Long: `health exits with 0 if the running server is ready: it has loaded all zones, listens, answers, and
can write changes. Otherwise, it prints the reason and exits with 1. It asks the control socket, or
with --admin the admin listener (/readyz), which may be on another host.`,
		Example: `  ptrd health --state-dir /var/lib/ptrd
  ptrd health --admin 192.0.2.53:9153`,
		Args:              exactly(0, ""),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), within)
			defer cancel()
			cmd.SetContext(ctx)
			var r daemon.Readiness
			var err error
			if admin != "" {
				r, err = readyz(ctx, admin)
			} else {
				err = g.call(cmd, daemon.VerbHealth, nil, &r)
			}
			if err != nil {
				return err
			}
			return g.show(cmd, &r)
		},
	}
	g.addJSON(cmd)
	cmd.Flags().StringVar(&admin, "admin", "", "ask the admin listener at `ADDRESS:PORT`")
	cmd.Flags().DurationVar(&within, "timeout", within, "how long the answer may take, as a `DURATION`")
	return cmd
}

// maxReason bounds what is read of the answer of /readyz, a line.
const maxReason = 4 << 10

// readyz asks an admin listener whether its server is ready.
func readyz(ctx context.Context, address string) (r daemon.Readiness, err error) {
	if _, _, err := net.SplitHostPort(address); err != nil {
		return r, usagef("--admin %q is not ADDRESS:PORT: %v", address, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/readyz", nil)
	if err != nil {
		return r, usagef("--admin %q: %v", address, err)
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // no proxy
	resp, err := client.Do(req)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxReason))
	if err != nil {
		return r, fmt.Errorf("admin listener %s: %w", address, err)
	}
	switch resp.StatusCode {
	case http.StatusOK:
		r.Ready = true
	case http.StatusServiceUnavailable:
		r.Why = strings.TrimSpace(string(text))
	default:
		return r, fmt.Errorf("admin listener %s: %s: %s", address, resp.Status, strings.TrimSpace(string(text)))
	}
	return r, nil
}
