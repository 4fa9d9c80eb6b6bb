package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/zmqio/zmq"
)

// A machine describes what the figures depend on. A field is empty if the value is unknown.
type machine struct {
	Time       time.Time `json:"time"`
	CPU        string    `json:"cpu"`
	Cores      int       `json:"cores"`
	GOMAXPROCS int       `json:"gomaxprocs"`
	System     string    `json:"system"`
	Kernel     string    `json:"kernel"`
	Load       string    `json:"load"` // averages at the start
	Libzmq     string    `json:"libzmq"`
	Go         string    `json:"go"`
	Commit     string    `json:"commit"`
}

func thisMachine() machine {
	major, minor, patch := zmq.LibraryVersion()
	return machine{
		Time: time.Now().UTC().Truncate(time.Second),
		CPU:  cpuModel(), Cores: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0),
		System: runtime.GOOS + "/" + runtime.GOARCH,
		Kernel: output("uname", "-r"), Load: firstLine("/proc/loadavg"),
		Libzmq: fmt.Sprintf("%d.%d.%d", major, minor, patch), Go: runtime.Version(),
		Commit: output("git", "describe", "--always", "--dirty", "--exclude=*"),
	}
}

func (m machine) print(w io.Writer) {
	fmt.Fprintf(w, "%s, %d cores, GOMAXPROCS %d, %s %s, load %s\nlibzmq %s, %s, commit %s, %s\n", m.CPU, m.Cores, m.GOMAXPROCS,
		m.System, m.Kernel, m.Load, m.Libzmq, m.Go, m.Commit, m.Time.Format(time.RFC3339))
}

func cpuModel() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return output("sysctl", "-n", "machdep.cpu.brand_string")
	}
	for line := range strings.Lines(string(info)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func firstLine(file string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return line
}

func output(name string, args ...string) string {
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}
