package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

// The flags of docs.k3s.io/cli/agent and docs.k3s.io/cli/server, those without a value apart.
var (
	agentValues = words(`config v vmodule log token token-file server data-dir node-name node-label
		node-taint image-credential-provider-bin-dir image-credential-provider-config lb-server-port
		container-runtime-endpoint default-runtime image-service-endpoint pause-image snapshotter
		private-registry node-ip bind-address node-external-ip node-internal-dns node-external-dns
		resolv-conf flannel-iface flannel-conf flannel-cni-conf kubelet-arg kube-proxy-arg vpn-auth
		vpn-auth-file`)
	agentSwitches = words(`debug alsologtostderr with-node-id selinux protect-kernel-defaults
		disable-default-registry-endpoint nonroot-devices enable-pprof rootless prefer-bundled-bin
		docker disable-apiserver-lb`)
	serverValues = words(`https-listen-port advertise-address advertise-port tls-san cluster-cidr
		service-cidr service-node-port-range cluster-dns cluster-domain flannel-backend
		egress-selector-mode servicelb-namespace write-kubeconfig write-kubeconfig-mode
		write-kubeconfig-group helm-job-image agent-token agent-token-file cluster-reset-restore-path
		kube-apiserver-arg etcd-arg kube-controller-manager-arg kube-scheduler-arg
		kube-cloud-controller-manager-arg datastore-endpoint datastore-cafile datastore-certfile
		datastore-keyfile etcd-snapshot-name etcd-snapshot-schedule-cron etcd-snapshot-retention
		etcd-snapshot-dir etcd-s3-endpoint etcd-s3-endpoint-ca etcd-s3-access-key
		etcd-s3-secret-key etcd-s3-bucket etcd-s3-region etcd-s3-folder etcd-s3-proxy
		etcd-s3-config-secret etcd-s3-timeout default-local-storage-path disable
		system-default-registry secrets-encryption-provider`)
	serverSwitches = words(`tls-san-security flannel-ipv6-masq flannel-external-ip cluster-init
		cluster-reset etcd-expose-metrics etcd-disable-snapshots etcd-snapshot-compress etcd-s3
		etcd-s3-skip-ssl-verify etcd-s3-insecure disable-scheduler disable-cloud-controller
		disable-kube-proxy disable-network-policy disable-helm-controller embedded-registry
		supervisor-metrics secrets-encryption disable-agent`)
	short = map[string]string{"c": "config", "l": "log", "t": "token", "s": "server", "d": "data-dir",
		"i": "node-ip", "o": "write-kubeconfig"}
	environment = map[string]string{"token": "K3S_TOKEN", "token-file": "K3S_TOKEN_FILE",
		"server": "K3S_URL", "data-dir": "K3S_DATA_DIR", "node-name": "K3S_NODE_NAME",
		"agent-token": "K3S_AGENT_TOKEN", "agent-token-file": "K3S_AGENT_TOKEN_FILE",
		"cluster-init": "K3S_CLUSTER_INIT", "write-kubeconfig-mode": "K3S_KUBECONFIG_MODE",
		"write-kubeconfig": "K3S_KUBECONFIG_OUTPUT", "lb-server-port": "K3S_LB_SERVER_PORT",
		"resolv-conf": "K3S_RESOLV_CONF"}
	defaults = map[string]string{"data-dir": "/var/lib/rancher/k3s", "write-kubeconfig-mode": "0600",
		"write-kubeconfig": "/etc/rancher/k3s/k3s.yaml", "https-listen-port": "6443",
		"lb-server-port": "6444", "cluster-cidr": "10.42.0.0/16", "service-cidr": "10.43.0.0/16",
		"cluster-dns": "10.43.0.10", "cluster-domain": "cluster.local", "flannel-backend": "vxlan",
		"egress-selector-mode": "agent", "secrets-encryption-provider": "aescbc"}
	critical = []string{"cluster-cidr", "cluster-dns", "cluster-domain", "disable-cloud-controller",
		"disable-helm-controller", "disable-network-policy", "egress-selector-mode",
		"embedded-registry", "flannel-backend", "flannel-external-ip", "flannel-ipv6-masq",
		"secrets-encryption", "secrets-encryption-provider", "service-cidr"}
)

func words(text string) map[string]bool {
	found := map[string]bool{}
	for _, word := range strings.Fields(text) {
		found[word] = true
	}
	return found
}

// config holds each flag's values, the last of which counts where there can be one only.
type config map[string][]string

func (c config) text(key string) string {
	if values := c[key]; len(values) > 0 {
		return values[len(values)-1]
	}
	if name := environment[key]; name != "" && os.Getenv(name) != "" {
		return os.Getenv(name)
	}
	return defaults[key]
}

func (c config) is(key string) bool { return c.text(key) == "true" }

// data returns a path below the data directory.
func (c config) data(path string) string { return under(c.text("data-dir")) + path }

// name returns the node's name (pkg/util GetHostnameAndIPs: in lower case).
func (c config) name() string {
	name := c.text("node-name")
	if name == "" {
		name = must(os.Hostname())
	}
	return strings.ToLower(name)
}

// secret returns the token of a flag, or what is in the file that another flag names.
func (c config) secret(key string) string {
	if file := c.text(key + "-file"); c.text(key) == "" && file != "" {
		return strings.TrimSpace(string(must(os.ReadFile(under(file)))))
	}
	return c.text(key)
}

// critical returns the values that must be equal on all servers.
func (c config) critical() map[string]string {
	found := map[string]string{}
	for _, key := range critical {
		found[key] = c.text(key)
	}
	for _, value := range c["disable"] {
		for _, component := range strings.Split(value, ",") {
			if component == "servicelb" {
				found["disable=servicelb"] = "true"
			}
		}
	}
	return found
}

func knows(role, key string) bool {
	if agentValues[key] || agentSwitches[key] {
		return true
	}
	return role == "server" && (serverValues[key] || serverSwitches[key])
}

func parse(role string, arguments []string) config {
	found := config{}
	for _, each := range readFiles(arguments) {
		key := each[0]
		if long := short[key]; long != "" {
			key = long
		}
		switch {
		case knows(role, key):
			found[key] = append(found[key], each[1])
		case role == "server":
			say("warning", "Unknown flag --%s found in config.yaml, skipping\n", each[0])
		default:
			undefined(each[0])
		}
	}
	for at := 0; at < len(arguments); at++ {
		name, value, hasValue := strings.Cut(strings.TrimLeft(arguments[at], "-"), "=")
		key := name
		if long := short[key]; long != "" {
			key = long
		}
		if !strings.HasPrefix(arguments[at], "-") || !knows(role, key) {
			undefined(name)
		}
		if !hasValue && (agentSwitches[key] || serverSwitches[key]) {
			value = "true"
		} else if !hasValue {
			at++
			if at == len(arguments) {
				fatal("Error: flag needs an argument: -%s", name)
			}
			value = arguments[at]
		}
		found[key] = append(found[key], value)
	}
	return found
}

func undefined(key string) {
	fmt.Printf("Incorrect Usage: flag provided but not defined: -%s\n", key)
	fatal("Error: flag provided but not defined: -%s", key)
}

// readFiles returns key and value, once for each value of a list, in order.
func readFiles(arguments []string) [][2]string {
	base := under("/etc/rancher/k3s/config.yaml")
	if named := os.Getenv("K3S_CONFIG_FILE"); named != "" {
		base = under(named)
	}
	for at, each := range arguments {
		if name, value, _ := strings.Cut(each, "="); name == "--config" || name == "-c" {
			if value == "" && at+1 < len(arguments) {
				value = arguments[at+1]
			}
			base = under(value)
		}
	}
	files, _ := filepath.Glob(base + ".d/*.y*ml")
	sort.Strings(files)
	values, order := map[string][]string{}, []string{}
	for _, file := range append([]string{base}, files...) {
		content, err := os.ReadFile(file)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		for _, each := range readYAML(file, string(must(content, err))) {
			key, adds := strings.CutSuffix(each.key, "+")
			if _, seen := values[key]; !seen {
				order = append(order, key)
			} else if adds {
				each.values = append(values[key], each.values...)
			}
			values[key] = each.values
		}
	}
	found := [][2]string{}
	for _, key := range order {
		for _, value := range values[key] {
			found = append(found, [2]string{key, value})
		}
	}
	return found
}

type entry struct {
	key    string
	values []string
}

func readYAML(file, text string) []entry {
	found := []entry{}
	for number, line := range strings.Split(text, "\n") {
		plain := strings.TrimSpace(line)
		if plain == "" || plain == "---" || strings.HasPrefix(plain, "#") {
			continue
		}
		if item, isItem := strings.CutPrefix(plain, "- "); isItem && len(found) > 0 {
			last := &found[len(found)-1]
			last.values = append(last.values, scalars(item)...)
			continue
		}
		key, value, ok := strings.Cut(plain, ":")
		if !ok || line != strings.TrimLeft(line, " \t") {
			fatal("yaml: line %d of %s: could not find expected ':'", number+1, file)
		}
		each := entry{key: strings.Trim(key, `"'`)}
		if value = strings.TrimSpace(value); value != "" {
			each.values = scalars(value)
		}
		found = append(found, each)
	}
	return found
}

// scalars reads a word, or a list of them in brackets.
func scalars(text string) []string {
	var list []json.RawMessage
	var quoted string
	switch {
	case strings.HasPrefix(text, "[") && json.Unmarshal([]byte(text), &list) == nil:
		found := []string{}
		for _, each := range list {
			found = append(found, scalars(string(each))...)
		}
		return found
	case strings.HasPrefix(text, "'"):
		return []string{strings.ReplaceAll(strings.Trim(text, "'"), "''", "'")}
	case json.Unmarshal([]byte(text), &quoted) == nil:
		return []string{quoted}
	}
	plain, _, _ := strings.Cut(text, " #")
	return []string{strings.TrimSpace(plain)}
}
