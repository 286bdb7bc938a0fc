package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

func thisNode(c config, f faults) node {
	found := node{Name: c.name(), Address: c.text("node-ip"), Version: version, Full: f.Pressure,
		Labels: map[string]string{}}
	for _, label := range c["node-label"] {
		key, value, _ := strings.Cut(label, "=")
		found.Labels[key] = value
	}
	return found
}

// nodePassword returns what the node has, or makes it (pkg/agent/config ensureNodePassword).
func nodePassword() string {
	file := under("/etc/rancher/node/password")
	if content, err := os.ReadFile(file); err == nil {
		return strings.TrimSpace(string(content))
	}
	made := random(16)
	write(file, []byte(made+"\n"), 0o600)
	return made
}

func notify(state string) {
	address := os.Getenv("NOTIFY_SOCKET")
	if address == "" {
		return
	}
	name := strings.Replace(address, "@", "\x00", 1)
	connection := must(net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"}))
	defer connection.Close()
	must(connection.Write([]byte(state)))
}

// importImages leaves out what .cache.json knows, if that file is there.
func importImages(c config) {
	directory := c.data("/agent/images")
	cache := directory + "/.cache.json"
	content, err := os.ReadFile(cache)
	known := map[string]string{}
	json.Unmarshal(content, &known)
	files, _ := filepath.Glob(directory + "/*.tar*")
	for _, file := range files {
		info := must(os.Stat(file))
		now := fmt.Sprintf("%d %s", info.Size(), info.ModTime().UTC().Format(time.RFC3339Nano))
		shown := strings.TrimPrefix(file, os.Getenv("STANDIN_ROOT"))
		if err == nil && known[file] == now {
			say("info", "Skipping unchanged image archive %s", shown)
			continue
		}
		say("info", "Importing images from %s", shown)
		say("info", "Imported images from %s in 1ms", shown)
		known[file] = now
	}
	if err == nil {
		write(cache, must(json.Marshal(known)), 0o644)
	}
}

// runContainer starts a process that looks like a container's shim, unless one runs from before.
// The file holds its process id.
func runContainer(c config) {
	file := under("/run/k3s/containerd/standin-shim")
	if content, err := os.ReadFile(file); err == nil {
		line, _ := os.ReadFile("/proc/" + strings.TrimSpace(string(content)) + "/cmdline")
		if strings.Contains(string(line), "containerd-shim") {
			return
		}
	}
	shim := exec.Command("/proc/self/exe", "-namespace", "k8s.io", "-id", random(32),
		"-address", "/run/k3s/containerd/containerd.sock")
	shim.Args[0] = c.text("data-dir") + "/data/current/bin/containerd-shim-runc-v2"
	shim.Env = []string{"STANDIN_CONTAINER=1", "STANDIN_ROOT=" + os.Getenv("STANDIN_ROOT")}
	shim.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	must(0, os.MkdirAll(filepath.Dir(file), 0o711))
	must(0, shim.Start())
	write(file, []byte(fmt.Sprintf("%d\n", shim.Process.Pid)), 0o600)
}
