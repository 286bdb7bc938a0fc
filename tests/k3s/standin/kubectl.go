package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"time"
)

// The one path that lab asks for.
const conditionsPath = "jsonpath={range .status.conditions[*]}{.type}={.status} {end}"

type admin struct {
	url    string
	ca     []byte
	client *http.Client
}

func asAdmin() admin {
	path := os.Getenv("KUBECONFIG")
	if path == "" {
		path = under("/etc/rancher/k3s/k3s.yaml")
	}
	text := string(must(os.ReadFile(path)))
	field := func(name string) []byte {
		found := regexp.MustCompile(name + `-data: (\S+)`).FindStringSubmatch(text)
		if found == nil {
			fatal("error: %s has no %s", path, name)
		}
		return must(base64.StdEncoding.DecodeString(found[1]))
	}
	pool := x509.NewCertPool()
	ca := field("certificate-authority")
	pool.AppendCertsFromPEM(ca)
	pair := must(tls.X509KeyPair(field("client-certificate"), field("client-key")))
	url := regexp.MustCompile(`server: (\S+)`).FindStringSubmatch(text)[1]
	settings := &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}
	return admin{url, ca, client(settings)}
}

func (a admin) ask(method, path string, body any) []byte {
	content := must(json.Marshal(body))
	request := must(http.NewRequest(method, a.url+path, bytes.NewReader(content)))
	found, err := do(a.client, request)
	if err != nil {
		fmt.Fprintf(os.Stderr, "Error from server: %v\n", err)
		os.Exit(1)
	}
	return found
}

// kubectl knows `get --raw=PATH`, `get nodes`, `get node NAME` and `delete node NAME`.
func kubectl(arguments []string) {
	words, options := []string{}, map[string]string{}
	for at := 0; at < len(arguments); at++ {
		name, value, ok := strings.Cut(arguments[at], "=")
		if !strings.HasPrefix(name, "-") {
			words = append(words, arguments[at])
			continue
		}
		if !ok && at+1 < len(arguments) {
			at++
			value = arguments[at]
		}
		options[strings.TrimLeft(name, "-")] = value
	}
	output := options["o"] + options["output"]
	switch line := strings.Join(words, " "); {
	case line == "get" && options["raw"] != "":
		os.Stdout.Write(asAdmin().ask("GET", options["raw"], nil))
	case line == "get nodes" || line == "get node":
		show(asAdmin().ask("GET", "/api/v1/nodes", nil), output)
	case len(words) == 3 && (words[1] == "node" || words[1] == "nodes") && words[0] == "get":
		show(asAdmin().ask("GET", "/api/v1/nodes/"+words[2], nil), output)
	case len(words) == 3 && words[1] == "node" && words[0] == "delete":
		asAdmin().ask("DELETE", "/api/v1/nodes/"+words[2], nil)
		fmt.Printf("node %q deleted\n", words[2])
	default:
		fatal("error: the stand-in knows no kubectl %s", strings.Join(arguments, " "))
	}
}

type shownNode struct {
	Metadata struct{ Name string }
	Status   struct {
		Conditions []struct{ Type, Status string }
	}
	Items []shownNode
}

func show(content []byte, output string) {
	found := shownNode{}
	must(0, json.Unmarshal(content, &found))
	switch output {
	case "json":
		os.Stdout.Write(content)
	case conditionsPath:
		for _, condition := range found.Status.Conditions {
			fmt.Printf("%s=%s ", condition.Type, condition.Status)
		}
	case "", "name", "wide":
		for _, each := range append(found.Items, found) {
			if each.Metadata.Name != "" {
				fmt.Printf("node/%s\n", each.Metadata.Name)
			}
		}
	default:
		fatal("error: the stand-in knows no output %q", output)
	}
}

// token knows `create [--ttl SPAN]`.
func token(arguments []string) {
	ttl := 24 * time.Hour
	for at, each := range arguments {
		name, value, ok := strings.Cut(each, "=")
		if name != "--ttl" {
			continue
		}
		if !ok && at+1 < len(arguments) {
			value = arguments[at+1]
		}
		ttl = must(time.ParseDuration(value))
	}
	if len(arguments) == 0 || arguments[0] != "create" {
		fatal("Error: the stand-in knows no token %s", strings.Join(arguments, " "))
	}
	id, secret := random(3), random(8)
	data := map[string]string{"token-id": id, "token-secret": secret}
	if ttl > 0 {
		data["expiration"] = time.Now().Add(ttl).Format(time.RFC3339Nano)
	}
	a := asAdmin()
	a.ask("POST", "/api/v1/namespaces/kube-system/secrets",
		map[string]any{"type": "bootstrap.kubernetes.io/token", "stringData": data})
	fmt.Println(secureToken(a.ca, id+"."+secret))
}

// snapshot knows `save [--name NAME]`; it asks the server of this node by its token.
func snapshot(arguments []string) {
	if len(arguments) == 0 || arguments[0] != "save" {
		fatal("Error: the stand-in knows no etcd-snapshot %s", strings.Join(arguments, " "))
	}
	name := "on-demand"
	for at, each := range arguments {
		key, value, ok := strings.Cut(each, "=")
		if key != "--name" && key != "--etcd-snapshot-name" {
			continue
		}
		if !ok && at+1 < len(arguments) {
			value = arguments[at+1]
		}
		name = value
	}
	file := under(defaults["data-dir"] + "/server/token")
	token := strings.TrimSpace(string(must(os.ReadFile(file))))
	found := must(find(asAdmin().url, token, "server"))
	saved := struct{ Name string }{}
	must(0, found.ask("POST", "/db/snapshot", map[string]string{"Name": name}, &saved))
	say("info", "Snapshot %s saved.", saved.Name)
}
