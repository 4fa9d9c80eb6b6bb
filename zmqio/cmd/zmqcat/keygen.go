package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zmqio/zmq/zmqio/zap"
)

// publicSuffix ends the name of a public certificate file.
const publicSuffix = ".key"

func newKeygenCommand() *cobra.Command {
	var metadata []string
	cmd := &cobra.Command{
		Use:   "keygen NAME",
		Short: "write a new pair of CURVE keys to certificate files",
		Long: `keygen writes a new pair of CURVE keys: the public certificate to NAME.key, for the
other side, and the secret one to NAME.key_secret, which only its owner can read. It
keeps files that exist. It prints the names of the files and the public key.

czmq and pyzmq read both files, and the other commands do with --curve-cert and
--curve-server-cert. A client may connect if its NAME.key is in the directory of
--curve-allow.`,
		Example: `  zmqcat keygen server
  mkdir clients && zmqcat keygen clients/alice --metadata email=alice@example.com
  zmqcat rep -b 'tcp://*:5555' --curve-cert server.key_secret --curve-allow clients
  zmqcat req -c tcp://127.0.0.1:5555 --curve-cert clients/alice.key_secret --curve-server-cert server.key`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("keygen takes one NAME, not %d: it writes NAME.key and NAME.key_secret", len(args))
			}
			if name := strings.TrimSuffix(args[0], publicSuffix); name == "" || os.IsPathSeparator(name[len(name)-1]) {
				return usagef("%q has no NAME: keygen writes NAME.key and NAME.key_secret", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			about, err := parseMetadata(metadata)
			if err != nil {
				return err
			}
			public := strings.TrimSuffix(args[0], publicSuffix) + publicSuffix
			cert, err := keygen(public, about)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "public %s\nsecret %s\nkey %v\n", public, public+zap.SecretSuffix, cert)
			return err
		},
	}
	cmd.Flags().StringArrayVarP(&metadata, "metadata", "m", nil, "write `NAME=VALUE` into the certificates; may be repeated")
	return cmd
}

func parseMetadata(texts []string) (map[string]string, error) {
	metadata := make(map[string]string, len(texts))
	for _, text := range texts {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, usagef("--metadata %s: not of the form NAME=VALUE", text)
		}
		metadata[name] = value
	}
	return metadata, nil
}

// keygen writes the files of a new certificate. public is the path of the public one.
func keygen(public string, metadata map[string]string) (zap.Certificate, error) {
	cert := zap.NewCertificate(metadata)
	err := cert.WriteFiles(public)
	switch {
	case errors.Is(err, fs.ErrExist):
		return cert, fmt.Errorf("%w; keygen overwrites no key, so remove it or take another NAME", err)
	case errors.Is(err, zap.ErrCertificate):
		return cert, usageError{err}
	case errors.Is(err, os.ErrNotExist):
		return cert, fmt.Errorf("%w; make the directory first", err)
	}
	return cert, err
}
