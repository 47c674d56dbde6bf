package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

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
	algorithm := tsig.HMACSHA256.String()
	var names []string
	for _, a := range tsig.Algorithms() {
		names = append(names, a.String())
	}
	cmd := &cobra.Command{
		Use:   "generate NAME",
		Short: "Print a new key for `keys` of the configuration",
		Long: `generate prints an item for ` + "`keys`" + ` of the configuration with a new random secret, as
long as the MACs of its algorithm. Store it in a file that other users cannot read.`,
		Example:           "  ptrd key generate transfer-key\n  ptrd key generate --algorithm hmac-sha512 office-key",
		Args:              exactly(1, "the name of the key"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			a, ok := tsig.ParseAlgorithm(algorithm)
			if !ok {
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
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "- name: %q\n  algorithm: %v\n  secret: %q\n",
				strings.TrimSuffix(name.AppendLower(nil).String(), "."), a, base64.StdEncoding.EncodeToString(secret))
			return err
		},
	}
	cmd.Flags().StringVar(&algorithm, "algorithm", algorithm, "`ALGORITHM` of the key: "+strings.Join(names, ", "))
	_ = cmd.RegisterFlagCompletionFunc("algorithm", cobra.FixedCompletions(names, cobra.ShellCompDirectiveNoFileComp)) // the flag exists
	return cmd
}
