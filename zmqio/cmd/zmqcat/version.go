package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zmqio/zmq"
)

// capabilities are the capabilities of libzmq that version prints.
var capabilities = []zmq.Capability{
	zmq.CapabilityIPC, zmq.CapabilityCurve, zmq.CapabilityGSSAPI, zmq.CapabilityPGM, zmq.CapabilityTIPC,
	zmq.CapabilityNORM, zmq.CapabilityVMCI, zmq.CapabilityVSOCK, zmq.CapabilityWS, zmq.CapabilityWSS, zmq.CapabilityDraft,
}

// A version describes this build of zmqcat.
type version struct {
	Zmqcat   string          `json:"zmqcat"`
	Revision string          `json:"revision,omitempty"`
	Go       string          `json:"go"`
	System   string          `json:"system"`
	Libzmq   string          `json:"libzmq"`
	Has      map[string]bool `json:"has"`
}

func newVersion() version {
	major, minor, patch := zmq.LibraryVersion()
	v := version{
		Zmqcat: "(devel)",
		Go:     runtime.Version(),
		System: runtime.GOOS + "/" + runtime.GOARCH,
		Libzmq: fmt.Sprintf("%d.%d.%d", major, minor, patch),
		Has:    make(map[string]bool),
	}
	for _, c := range capabilities {
		v.Has[strings.ToLower(string(c))] = zmq.Has(c)
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		v.build(info)
	}
	return v
}

// build reads what the go command has written into the program.
func (v *version) build(info *debug.BuildInfo) {
	if info.Main.Version != "" {
		v.Zmqcat = info.Main.Version
	}
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			v.Revision = s.Value + v.Revision
		case s.Key == "vcs.modified" && s.Value == "true":
			v.Revision += " with changes"
		}
	}
}

func (v version) short() string { return fmt.Sprintf("zmqcat %s, libzmq %s", v.Zmqcat, v.Libzmq) }

func (v version) String() string {
	var has, lacks []string
	for _, c := range capabilities {
		if name := strings.ToLower(string(c)); v.Has[name] {
			has = append(has, name)
		} else {
			lacks = append(lacks, name)
		}
	}
	text := "zmqcat " + v.Zmqcat
	if v.Revision != "" {
		text += "\nrevision " + v.Revision
	}
	return text + fmt.Sprintf("\ngo %s %s\nlibzmq %s\nhas %s\nlacks %s",
		strings.TrimPrefix(v.Go, "go"), v.System, v.Libzmq, strings.Join(has, " "), strings.Join(lacks, " "))
}

func newVersionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "print the versions of zmqcat and libzmq, and what libzmq can do",
		Long: `version prints the versions of zmqcat, of Go and of the libzmq that zmqcat runs with,
and which transports and security mechanisms that libzmq has and lacks.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := newVersion()
			text := []byte(v.String() + "\n")
			if asJSON {
				text = appendJSON(nil, v)
			}
			_, err := cmd.OutOrStdout().Write(text)
			return err
		},
	}
	toggleVar(cmd.Flags(), &asJSON, "json", "j", "print an object")
	return cmd
}
