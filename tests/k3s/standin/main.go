// Command k3s stands in for k3s where no release of it can be had, to test how lab installs it.
//
// It runs no containers and is no Kubernetes. What it does is what k3s' documentation and sources
// say, and nothing else. Marks: [read] in the source named, [reported] in a public log of a real
// k3s, [ours] where nobody says it and something had to be chosen.
//
// Configuration
//   - each key of config.yaml, then of config.yaml.d/*.yaml in the order of their names, is one
//     flag; `key+` adds to a list; arguments come last and win (pkg/configfilearg/parser.go;
//     docs.k3s.io/installation/configuration) [read]
//   - a key that nobody knows ends an agent ("flag provided but not defined", urfave/cli), and so
//     does one that only servers know; a server skips it with "Unknown flag --KEY found in
//     config.yaml, skipping" (pkg/configfilearg/defaultparser.go: ValidFlags has server and
//     etcd-snapshot) [read]. As an argument it ends both.
//   - the flags are those of docs.k3s.io/cli/server and docs.k3s.io/cli/agent, *CLI Help* [read]
//   - values are read as far as lab and its tests write them: JSON, words, block lists [ours]
//
// Tokens (docs.k3s.io/cli/token; pkg/clientaccess/token.go) [read]
//   - they are short, or K10<SHA-256 of the CA's file>::<user>:<password>, or the latter with
//     id.secret of a bootstrap token; the user of an agent is always `node`
//   - a first server takes the short form only; in which words it refuses is [ours]; without any
//     token it makes one
//   - with the secure form, a CA that is another is refused before credentials are sent
//   - server/token has the secure form, mode 0600, node-token is a link to it; so is agent-token
//     where no agent token is set (pkg/server/server.go printTokens, writeToken)
//   - the agent token admits agents only. Once it is set, the server token admits no agents any
//     more (pkg/daemons/control/deps/deps.go genUsers gives `node` that password); the
//     documentation says otherwise
//   - `token create` admits agents until its time is up, by default after 24 hours
//   - a server whose data has another token: "bootstrap data already found and encrypted with
//     different token" [reported]
//
// The API on 6443 (pkg/server/handlers/router.go; pkg/server/auth/auth.go) [read]
//   - /ping and /cacerts need no credentials; /readyz and all of Kubernetes' API answer 401
//     without (anonymous-auth=false; k3s issue 3576); /v1-k3s/* answers 403 without and 401
//     "not authorized" to wrong ones
//   - k3s.yaml and the token files are there before the API is ready
//   - READY is sent when the API is ready and etcd lets this server vote, not when its node is
//     (pkg/cli/server; pkg/etcd/etcd.go Test)
//
// Agents
//   - what is wrong with the CA or the connection is said every 2 s without end, "Failed to
//     validate connection to cluster at" (pkg/agent/run.go; k3s issue 6965) [read]
//   - what is wrong with credentials or password is said every 5 s at least without end, "Waiting
//     to retrieve agent configuration; server is not ready" (pkg/agent/config/config.go Get) [read]
//   - READY is sent after configuration and node (pkg/agent/run.go startNetwork) [read]
//   - they ask by way of a load balancer of their own on 127.0.0.1:6444, which keeps the servers it
//     heard of in agent/etc/k3s-agent-load-balancer.json. Those are preferred as long as `server`
//     is the same; another `server` makes it forget them (pkg/agent/loadbalancer/config.go) [read]
//   - /etc/rancher/node/password must be the one the cluster knows by the node's name; deleting
//     the Node forgets it (docs.k3s.io/architecture; pkg/nodepassword/validate.go). A server
//     is its own judge, so it is not rejected [read]
//   - a Node that was deleted comes back when its agent starts, not before (kubelet) [ours]
//
// Servers
//   - etcd is used with cluster-init or `server`, else SQLite; both flags mean nothing once etcd's
//     data is on disk (docs.k3s.io/datastore/ha-embedded; pkg/etcd/etcd.go) [read]
//   - etcd takes one learner at a time; the next one waits, "too many learner members in cluster"
//     (etcd; pkg/etcd/etcd.go Start; k3s issue 4335) [read]
//   - a second member of the same node's name ends it, "duplicate node name found"; deleting the
//     Node frees that too (pkg/etcd/etcd.go join, member_controller.go) [read]
//   - some time after it joined, a server's node has the condition EtcdIsVoter [read]; how long
//     after is [ours]: k3s looks every 15 s
//   - critical values must be equal on all servers, of `disable` only servicelb; a joiner ends with
//     "critical configuration value mismatch between servers" (docs.k3s.io/cli/server;
//     pkg/cluster/bootstrap.go) [read]
//   - `etcd-snapshot save` writes to server/db/snapshots (docs.k3s.io/cli/etcd-snapshot)
//   - all servers tell each other what changes, the later change wins; there is no quorum [ours]
//
// Nodes
//   - archives in agent/images are imported before anything starts; those that .cache.json there
//     knows and that did not change are not (docs.k3s.io/installation/airgap)
//   - containers outlive the unit and are found again (KillMode=process;
//     docs.k3s.io/upgrades/killall); here it is one process with the arguments of a shim
//   - a node that says nothing for 5 s is no longer Ready [ours]: Kubernetes takes longer
//
// STANDIN_ROOT is put before every path, STANDIN_LISTEN=ADDRESS:PORT replaces where it listens, and
// STANDIN_HURRY=N divides all spans of time by N. /etc/k3s-standin.json makes it misbehave (faults.go).
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

var version = "unknown" // by -ldflags

// under returns where a path of the node is.
func under(path string) string { return os.Getenv("STANDIN_ROOT") + path }

func hurried(span time.Duration) time.Duration {
	if hurry, err := strconv.Atoi(os.Getenv("STANDIN_HURRY")); err == nil && hurry > 0 {
		return span / time.Duration(hurry)
	}
	return span
}

func wait(span time.Duration) { time.Sleep(hurried(span)) }

func say(level, format string, values ...any) {
	now := time.Now().UTC().Format(time.RFC3339)
	fmt.Fprintf(os.Stderr, "time=%q level=%s msg=%q\n", now, level, fmt.Sprintf(format, values...))
}

// klog says what the kubelet would, in its form; no line of a source is meant.
func klog(level, format string, values ...any) {
	now := time.Now().UTC().Format("0102 15:04:05.000000")
	fmt.Fprintf(os.Stderr, "%s%s %7d standin.go:0] %s\n", level, now, os.Getpid(), fmt.Sprintf(format, values...))
}

func fatal(format string, values ...any) {
	say("fatal", format, values...)
	os.Exit(1)
}

func must[T any](value T, err error) T {
	if err != nil {
		fatal("Error: %v", err)
	}
	return value
}

// write makes the file with its mode before it has content.
func write(path string, content []byte, mode os.FileMode) {
	must(0, os.MkdirAll(filepath.Dir(path), 0o755))
	partial := path + ".new"
	file := must(os.OpenFile(partial, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode))
	must(0, file.Chmod(mode))
	must(file.Write(content))
	must(0, file.Close())
	must(0, os.Rename(partial, path))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func main() {
	if os.Getenv("STANDIN_CONTAINER") != "" {
		for {
			time.Sleep(time.Hour)
		}
	}
	arguments := os.Args[1:]
	// The program is installed under this name too.
	if filepath.Base(os.Args[0]) == "kubectl" {
		arguments = append([]string{"kubectl"}, arguments...)
	}
	command := strings.Join(arguments[:min(len(arguments), 1)], "")
	rest := arguments[min(len(arguments), 1):]
	switch command {
	case "server":
		runServer(parse("server", rest))
	case "agent":
		runAgent(parse("agent", rest))
	case "kubectl":
		kubectl(rest)
	case "token":
		token(rest)
	case "etcd-snapshot":
		snapshot(rest)
	case "check-config":
		fmt.Println("STATUS: pass")
	case "--version", "-v":
		fmt.Printf("k3s version %s (standin)\n", version)
	default:
		fatal("Error: No help topic for '%s'", command)
	}
}
