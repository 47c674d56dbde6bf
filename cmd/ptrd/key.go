package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/emit"
	"github.com/ptrd/ptrd/server/tsig"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/spf13/cobra"
)

func newKey() *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "key",
		Short: "Create TSIG keys",
		Long: `key creates keys for TSIG (RFC 8945), which authenticate transfers, NOTIFY and updates
between two servers that have the same key.`,
	})
	cmd.AddCommand(newKeyGenerate())
	return cmd
}

func newKeyGenerate() *cobra.Command {
	algorithm, program := tsig.HMACSHA256.String(), "ptrd"
	var names []string
	for _, a := range tsig.Algorithms() {
		names = append(names, a.String())
	}
	cmd := &cobra.Command{
		Use:   "generate NAME",
		Short: "Print a new key for `keys` of the configuration",
		Long: `generate prints an item for ` + "`keys`" + ` of the configuration with a new random secret, as
long as the MACs of its algorithm. Store it in a file that other users cannot read.

With --for it prints the key in the syntax of the program on the other side, and the item for
ptrd as a comment above it.`,
		Example:           "  ptrd key generate transfer-key\n  ptrd key generate --algorithm hmac-sha512 office-key\n  ptrd key generate --for knot transfer-key",
		Args:              exactly(1, "the name of the key"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			target, ok := keyTarget(program)
			if !ok {
				return usagef("--for %q is not one of %s", program, strings.Join(keyPrograms(), ", "))
			}
			a, ok := tsig.ParseAlgorithm(algorithm)
			switch {
			case config.IsMD5(algorithm):
				return usagef("--algorithm %q is not supported, because RFC 8945 §6 forbids its use; use %v on both sides", algorithm, tsig.HMACSHA256)
			case !ok:
				return usagef("--algorithm %q is not one of %s", algorithm, strings.Join(names, ", "))
			}
			name, err := dname.Parse(args[0])
			if err != nil {
				return usagef("%q is not a key name: %v", args[0], err)
			}
			secret := make([]byte, a.Size()) // RFC 8945 §8: at least as long as the MAC
			rand.Read(secret)                // never fails
			if _, err := tsig.NewKey(tsig.KeyOptions{Name: name, Algorithm: a, Secret: secret}); err != nil {
				return usagef("%v", err)
			}
			key := emit.Key{Name: name.AppendLower(nil), Algorithm: a.String()}
			text, err := target.KeyText(key, base64.StdEncoding.EncodeToString(secret))
			if err != nil {
				return usagef("%v", err)
			}
			if own, _ := keyTarget("ptrd"); own.Name != target.Name {
				item, _ := own.KeyText(key, base64.StdEncoding.EncodeToString(secret)) // the name is safe, as above
				text = target.Comment("An item for `keys` of ptrd:", item) + "\n" + text
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), text)
			return err
		},
	}
	cmd.Flags().StringVar(&program, "for", program, "print the key for `PROGRAM`: "+strings.Join(keyPrograms(), ", "))
	_ = cmd.RegisterFlagCompletionFunc("for", cobra.FixedCompletions(keyPrograms(), cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	cmd.Flags().StringVar(&algorithm, "algorithm", algorithm, "`ALGORITHM` of the key: "+strings.Join(names, ", "))
	_ = cmd.RegisterFlagCompletionFunc("algorithm", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return cmd
}

// keyTarget returns a program that has TSIG keys.
func keyTarget(name string) (emit.Target, bool) {
	for _, t := range emit.Targets() {
		if t.Name == name && t.Key != "" {
			return t, true
		}
	}
	return emit.Target{}, false
}

// keyPrograms returns the names of these programs.
func keyPrograms() (names []string) {
	for _, t := range emit.Targets() {
		if t.Key != "" {
			names = append(names, t.Name)
		}
	}
	return names
}
