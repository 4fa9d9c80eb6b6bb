//go:build linux && !race

package install

import (
	"bufio"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The Dockerfile's image has what zmqcat needs and nothing else, and zmqcat talks to a
// peer outside.
func TestImage(t *testing.T) {
	t.Parallel()
	needsNamespaces(t)
	image := carryOut(t, filepath.Join(repository, "zmqio/cmd/zmqcat/Dockerfile"))
	t.Run("Demo", func(t *testing.T) {
		cmd := image.command("demo")
		cmd.Stdin = strings.NewReader("one\ntwo\n")
		if out := output(t, cmd); !strings.Contains(out, "2 lines") || !strings.Contains(out, "0 mismatches") {
			t.Errorf("zmqcat demo: %s", out)
		}
	})
	t.Run("Files", func(t *testing.T) { testFiles(t, image) })
	t.Run("Peer", func(t *testing.T) { testPeer(t, image) })
}

// The loader maps each library of the image, and without it zmqcat does not start.
func testFiles(t *testing.T, image *stage) {
	var libraries int
	must(t, fs.WalkDir(os.DirFS(image.files), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path == "zmqcat" || path == "etc/hosts" {
			return err
		}
		libraries++
		file := filepath.Join(image.files, path)
		must(t, os.Rename(file, file+".away"))
		defer func() { must(t, os.Rename(file+".away", file)) }()
		if out, err := image.command("--help").CombinedOutput(); err == nil {
			t.Errorf("zmqcat runs without %s: %s", path, out)
		}
		return nil
	}))
	if libraries < 4 { // libzmq, libc, the loader, and what libzmq needs
		t.Errorf("the image has only %d libraries", libraries)
	}
	t.Logf("%d libraries", libraries)
	output(t, image.command("--help"))
}

// testPeer sends a request from the image to a pyzmq peer outside, under CURVE and to a
// host name.
func testPeer(t *testing.T, image *stage) {
	python := slices.IndexFunc(pythons, func(name string) bool {
		return name != "" && exec.Command(name, "-c", "import zmq").Run() == nil
	})
	if python < 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("no Python with pyzmq")
		}
		t.Skip("no Python with pyzmq")
	}
	peer := exec.Command(pythons[python], "-c", curveServer)
	peer.Stderr = os.Stderr
	out, err := peer.StdoutPipe()
	must(t, err)
	in, err := peer.StdinPipe()
	must(t, err)
	must(t, peer.Start())
	t.Cleanup(func() {
		in.Close()
		if err := peer.Wait(); err != nil {
			t.Error(err)
		}
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	must(t, err)
	words := strings.Fields(line)
	port, serverKey, public, secret := words[0], words[1], words[2], words[3]

	cmd := image.command("req", "--wait", "2m", "--connect", "tcp://localhost:"+port, "--set", "CURVE_SERVERKEY="+serverKey,
		"--set", "CURVE_PUBLICKEY="+public, "--set", "CURVE_SECRETKEY="+secret)
	cmd.Stdin = strings.NewReader("from an empty root\n")
	if got := output(t, cmd); got != "FROM AN EMPTY ROOT\n" {
		t.Errorf("the reply is %q", got)
	}
}

// pythons are the Pythons that may have pyzmq.
var pythons = []string{os.Getenv("ZMQIO_PYTHON"), "/usr/bin/python3", "python3"}

// curveServer answers in capitals until its standard input ends. Its first line is its
// port, its public key, and a pair of keys for a client.
const curveServer = `
import sys, threading, zmq
server, client = zmq.curve_keypair(), zmq.curve_keypair()
s = zmq.Context().socket(zmq.REP)
s.curve_server, s.curve_publickey, s.curve_secretkey = True, *server
port = s.bind_to_random_port("tcp://127.0.0.1")
print(port, *(k.decode() for k in (server[0], *client)), flush=True)
def serve():
    while True:
        s.send(s.recv().upper())
threading.Thread(target=serve, daemon=True).start()
sys.stdin.read()
import os; os._exit(0)
`
