// Command k3s stands in for k3s where no release of it can be had, to test how lab installs it.
//
// It runs no containers and is no Kubernetes. What it does is what the documentation says, and
// nothing else; each rule names its source:
//
//   - config.yaml is read by default, one key a flag; an unknown flag ends the program
//     ("flag provided but not defined", docs.k3s.io/installation/configuration; urfave/cli)
//   - values of that file are read as JSON or as plain words; that much of YAML is enough here
//   - tokens are short or K10<SHA-256 of the CA>::<user>:<password>; a first server takes the
//     short form; a joiner with the secure form trusts that CA only (docs.k3s.io/cli/token)
//   - /ping and /cacerts need no credentials, everything else answers 401 without
//     (k3s pkg/server/handlers/router.go; anonymous-auth=false)
//   - server/token and server/agent-token hold the secure form, mode 0600; node-token is a link
//     (docs.k3s.io/cli/token, *Server*)
//   - an agent tries again every two seconds without end, whatever is wrong, and sends READY
//     only after it has a configuration and a node (k3s pkg/agent/run.go; issue 6965)
//   - the node's password in /etc/rancher/node/password must be the one the cluster knows by
//     that node's name; deleting the Node forgets it (docs.k3s.io/architecture)
//   - the agent's load balancer remembers servers and prefers them to a new `server`
//     (k3s pkg/agent/loadbalancer)
//   - one learner of etcd at a time (etcd "too many learner members in cluster"; k3s issue 4335);
//     a voter carries the condition EtcdIsVoter (k3s pkg/etcd)
//   - critical values must be equal on all servers (docs.k3s.io/cli/server)
//   - images in agent/images are imported before anything starts (docs.k3s.io/installation/airgap)
//   - KillMode=process: containers outlive the unit (docs.k3s.io/upgrades/killall)
//
// /etc/k3s-standin.json makes it misbehave: {"say": LINE, "never": true, "die": true}.
package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	etc        = "/etc/rancher/k3s"
	data       = "/var/lib/rancher/k3s"
	kubeconfig = etc + "/k3s.yaml"
	balancer   = data + "/agent/etc/k3s-agent-load-balancer.json"
	retry      = 2 * time.Second
	learns     = time.Second
	silence    = 5 * time.Second
)

var version = "unknown" // by -ldflags

var common = words("node-name node-ip server token-file node-label kubelet-arg kube-proxy-arg data-dir flannel-iface with-node-id lb-server-port resolv-conf debug")
var ofServers = words("cluster-init agent-token-file tls-san write-kubeconfig-mode cluster-cidr service-cidr cluster-dns flannel-backend disable embedded-registry secrets-encryption etcd-arg kube-apiserver-arg")
var critical = words("cluster-cidr service-cidr cluster-dns flannel-backend disable")

func words(text string) map[string]bool {
	found := map[string]bool{}
	for _, word := range strings.Fields(text) {
		found[word] = true
	}
	return found
}

type config map[string]any

func (c config) text(key string) string {
	if value, ok := c[key].(string); ok {
		return value
	}
	return ""
}

func readConfig(server bool) config {
	content, err := os.ReadFile(etc + "/config.yaml")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		fatal("%v", err)
	}
	found := config{}
	for _, line := range strings.Split(string(content), "\n") {
		key, value, ok := strings.Cut(line, ":")
		if !ok || strings.HasPrefix(strings.TrimSpace(line), "#") {
			continue
		}
		if !common[key] && !(server && ofServers[key]) {
			fatal("flag provided but not defined: -%s", key)
		}
		found[key] = scalar(strings.TrimSpace(value))
	}
	return found
}

func scalar(text string) any {
	var value any
	if json.Unmarshal([]byte(text), &value) == nil {
		return value
	}
	return text
}

func say(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "time=%q level=info msg=%q\n", time.Now().UTC().Format(time.RFC3339), fmt.Sprintf(format, values...))
}

func fatal(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "time=%q level=fatal msg=%q\n", time.Now().UTC().Format(time.RFC3339), fmt.Sprintf(format, values...))
	os.Exit(1)
}

func must[T any](value T, err error) T {
	if err != nil {
		fatal("%v", err)
	}
	return value
}

func write(path string, content []byte, mode os.FileMode) {
	must(0, os.MkdirAll(filepath.Dir(path), 0o755))
	must(0, os.WriteFile(path, content, mode))
	must(0, os.Chmod(path, mode))
}

func hash(content []byte) string { return fmt.Sprintf("%x", sha256.Sum256(content)) }

func random() string {
	content := make([]byte, 16)
	must(rand.Read(content))
	return fmt.Sprintf("%x", content)
}

// --- certificates

type authority struct {
	PEM []byte
	Key []byte // PKCS 8
}

func (a authority) parts() (*x509.Certificate, *ecdsa.PrivateKey) {
	block, _ := pem.Decode(a.PEM)
	key := must(x509.ParsePKCS8PrivateKey(a.Key)).(*ecdsa.PrivateKey)
	return must(x509.ParseCertificate(block.Bytes)), key
}

func issue(template *x509.Certificate, by *authority) (certificate, key []byte) {
	private := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().AddDate(1, 0, 0)
	parent, signer := template, private
	if by != nil {
		parent, signer = by.parts()
	}
	der := must(x509.CreateCertificate(rand.Reader, template, parent, &private.PublicKey, signer))
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), must(x509.MarshalPKCS8PrivateKey(private))
}

func newAuthority() authority {
	certificate, key := issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "standin-server-ca"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}, nil)
	return authority{certificate, key}
}

func pemKey(key []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
}

// --- the cluster, as the first server keeps it

type member struct {
	Password, Address string
	Server            bool
	Voter             time.Time // when it becomes one
	Seen              time.Time
}

type cluster struct {
	sync.Mutex `json:"-"`
	Authority  authority
	Tokens     map[string]string // user -> secret
	Critical   config
	UID        string
	Nodes      map[string]*member
}

type request struct {
	Name, Password, Address string
	Server                  bool
	Critical                config
}

func (c *cluster) save() {
	write(data+"/server/db/standin.json", must(json.Marshal(c)), 0o600)
}

// join returns an HTTP status and what is said with it.
func (c *cluster) join(r request) (int, string) {
	known := c.Nodes[r.Name]
	if known != nil && known.Password != r.Password {
		return 403, "Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match server node-passwd entry, try enabling a unique node name with the --with-node-id flag"
	}
	if r.Server {
		for key := range critical {
			if fmt.Sprint(c.Critical[key]) != fmt.Sprint(r.Critical[key]) {
				return 400, "critical configuration value mismatch between servers: " + key
			}
		}
		if known == nil {
			for _, other := range c.Nodes {
				if other.Server && time.Now().Before(other.Voter) {
					return 503, "etcdserver: too many learner members in cluster"
				}
			}
		}
	}
	if known == nil {
		known = &member{Password: r.Password, Server: r.Server, Voter: time.Now().Add(learns)}
		c.Nodes[r.Name] = known
	}
	known.Address, known.Seen = r.Address, time.Now()
	c.save()
	return 200, "ok"
}

func (c *cluster) node(name string) map[string]any {
	n := c.Nodes[name]
	labels := map[string]string{"kubernetes.io/hostname": name}
	status := func(good bool) string {
		return map[bool]string{true: "True", false: "False"}[good]
	}
	conditions := []map[string]string{{"type": "Ready", "status": status(time.Since(n.Seen) < silence), "reason": "Standin"}}
	if n.Server {
		labels["node-role.kubernetes.io/control-plane"] = "true"
		conditions = append(conditions, map[string]string{"type": "EtcdIsVoter", "status": status(time.Now().After(n.Voter)), "reason": "Standin"})
	}
	return map[string]any{
		"metadata": map[string]any{"name": name, "labels": labels}, "spec": map[string]any{},
		"status": map[string]any{"conditions": conditions, "nodeInfo": map[string]string{"kubeletVersion": version}},
	}
}

func (c *cluster) handler() http.Handler {
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, status int, value any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		json.NewEncoder(w).Encode(value)
	}
	refuse := func(w http.ResponseWriter, status int, text string) {
		answer(w, status, map[string]any{"kind": "Status", "message": text, "code": status})
	}
	mux.HandleFunc("GET /ping", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "pong") })
	mux.HandleFunc("GET /cacerts", func(w http.ResponseWriter, r *http.Request) { w.Write(c.Authority.PEM) })
	mux.HandleFunc("POST /v1-standin/join", func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		var asked request
		if json.NewDecoder(r.Body).Decode(&asked) != nil {
			refuse(w, 400, "bad request")
			return
		}
		c.Lock()
		defer c.Unlock()
		// The token of agents admits agents only.
		if c.Tokens[user] == "" || c.Tokens[user] != password || (asked.Server && user != "server") {
			refuse(w, 401, "not authorized")
			return
		}
		status, text := c.join(asked)
		if status != 200 {
			refuse(w, status, text)
			return
		}
		answer(w, 200, c)
	})
	admin := http.NewServeMux()
	admin.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
	admin.HandleFunc("GET /v1-k3s/readyz", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "ok") })
	admin.HandleFunc("GET /version", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, map[string]string{"gitVersion": version})
	})
	admin.HandleFunc("GET /api/v1/namespaces/kube-system", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, map[string]any{"metadata": map[string]string{"name": "kube-system", "uid": c.UID}})
	})
	admin.HandleFunc("GET /api/v1/nodes", func(w http.ResponseWriter, r *http.Request) {
		items := []any{}
		for name := range c.Nodes {
			items = append(items, c.node(name))
		}
		answer(w, 200, map[string]any{"items": items})
	})
	admin.HandleFunc("/api/v1/nodes/{name}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		if c.Nodes[name] == nil {
			refuse(w, 404, fmt.Sprintf("nodes %q not found", name))
			return
		}
		answer(w, 200, c.node(name))
		if r.Method == "DELETE" {
			delete(c.Nodes, name)
			c.save()
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if len(r.TLS.PeerCertificates) == 0 {
			refuse(w, 401, "Unauthorized")
			return
		}
		c.Lock()
		defer c.Unlock()
		admin.ServeHTTP(w, r)
	})
	return mux
}

func serve(c *cluster, address string) {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(c.Authority.PEM)
	certificate, key := issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "k3s"}, DNSNames: []string{"localhost", "lab-api"},
		IPAddresses: []net.IP{net.ParseIP("127.0.0.1"), net.ParseIP(address)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, &c.Authority)
	pair := must(tls.X509KeyPair(certificate, pemKey(key)))
	server := http.Server{Addr: ":6443", Handler: c.handler(), TLSConfig: &tls.Config{
		Certificates: []tls.Certificate{pair}, ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: pool,
	}}
	listener := must(net.Listen("tcp", ":6443"))
	go func() { fatal("%v", server.ServeTLS(listener, "", "")) }()
}

func (c *cluster) publish(mode string) {
	ca := c.Authority.PEM
	write(data+"/server/tls/server-ca.crt", ca, 0o644)
	write(data+"/server/tls/server-ca.key", pemKey(c.Authority.Key), 0o600)
	for file, user := range map[string]string{"token": "server", "agent-token": "node"} {
		write(data+"/server/"+file, []byte(fmt.Sprintf("K10%s::%s:%s\n", hash(ca), user, c.Tokens[user])), 0o600)
	}
	os.Remove(data + "/server/node-token")
	must(0, os.Symlink(data+"/server/token", data+"/server/node-token"))
	certificate, key := issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "system:admin", Organization: []string{"system:masters"}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, &c.Authority)
	encode := base64.StdEncoding.EncodeToString
	text := fmt.Sprintf(`apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: %s
    server: https://127.0.0.1:6443
  name: default
contexts:
- context: {cluster: default, user: default}
  name: default
current-context: default
kind: Config
users:
- name: default
  user:
    client-certificate-data: %s
    client-key-data: %s
`, encode(ca), encode(certificate), encode(pemKey(key)))
	bits := os.FileMode(0o600)
	fmt.Sscanf(mode, "%o", &bits)
	write(kubeconfig, []byte(text), bits)
}

// --- joining

func password() string {
	file := "/etc/rancher/node/password"
	if content, err := os.ReadFile(file); err == nil {
		return string(content)
	}
	made := random()
	write(file, []byte(made), 0o600)
	return made
}

// credentials splits a token; pinned is empty for the short form.
func credentials(token, user string) (pinned, name, secret string) {
	rest, secure := strings.CutPrefix(token, "K10")
	if !secure {
		return "", user, token
	}
	pinned, rest, _ = strings.Cut(rest, "::")
	name, secret, _ = strings.Cut(rest, ":")
	return pinned, name, secret
}

func readToken(file string) string {
	return strings.TrimSpace(string(must(os.ReadFile(file))))
}

func ask(server, token, user string, r request) (*cluster, error) {
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	response, err := client.Get(server + "/cacerts")
	if err != nil {
		return nil, fmt.Errorf("failed to get CA certs: %w", err)
	}
	ca, _ := io.ReadAll(response.Body)
	response.Body.Close()
	pinned, name, secret := credentials(token, user)
	if pinned != "" && pinned != hash(ca) {
		return nil, fmt.Errorf("token CA hash does not match the Cluster CA certificate hash: %s != %s", pinned, hash(ca))
	}
	post, _ := http.NewRequest("POST", server+"/v1-standin/join", bytes.NewReader(must(json.Marshal(r))))
	post.SetBasicAuth(name, secret)
	response, err = client.Do(post)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != 200 {
		var said struct{ Message string }
		json.NewDecoder(response.Body).Decode(&said)
		return nil, errors.New(said.Message)
	}
	var joined cluster
	return &joined, json.NewDecoder(response.Body).Decode(&joined)
}

func importImages() {
	found, _ := filepath.Glob(data + "/agent/images/*.tar*")
	for _, file := range found {
		say("Imported images from %s", file)
	}
}

func runContainer() {
	shim := exec.Command("/proc/self/exe", "-namespace", "k8s.io", "-id", random(), "-address", "/run/k3s/containerd/containerd.sock")
	shim.Args[0] = data + "/data/current/bin/containerd-shim-runc-v2"
	shim.Env = []string{"STANDIN_CONTAINER=1"}
	shim.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	must(0, os.MkdirAll("/run/k3s/containerd", 0o711))
	must(0, shim.Start())
}

func notify(state string) {
	if address := os.Getenv("NOTIFY_SOCKET"); address != "" {
		connection := must(net.DialUnix("unixgram", nil, &net.UnixAddr{Name: strings.Replace(address, "@", "\x00", 1), Net: "unixgram"}))
		connection.Write([]byte(state))
		connection.Close()
	}
}

func misbehave() {
	var wanted struct {
		Say        string
		Never, Die bool
	}
	content, err := os.ReadFile("/etc/k3s-standin.json")
	if err != nil || json.Unmarshal(content, &wanted) != nil {
		return
	}
	say("%s", wanted.Say)
	if wanted.Die {
		fatal("%s", wanted.Say)
	}
	for wanted.Never {
		time.Sleep(time.Second)
	}
}

func runServer() {
	c := readConfig(true)
	misbehave()
	importImages()
	us := request{Name: c.text("node-name"), Address: c.text("node-ip"), Password: password(), Server: true, Critical: c}
	own := &cluster{}
	first := c.text("server")
	content, err := os.ReadFile(data + "/server/db/standin.json")
	token := readToken(c.text("token-file"))
	switch {
	case err == nil:
		must(0, json.Unmarshal(content, own))
		if _, _, secret := credentials(token, "server"); own.Tokens["server"] != secret {
			fatal("bootstrap data already found and encrypted with different token")
		}
	case first != "":
		joined, err := ask(first, token, "server", us)
		if err != nil {
			fatal("starting kubernetes: preparing server: %v", err)
		}
		own = joined
	default:
		pinned, _, secret := credentials(token, "server")
		own = &cluster{Authority: newAuthority(), Tokens: map[string]string{"server": secret, "node": readToken(c.text("agent-token-file"))}, Critical: c, UID: random(), Nodes: map[string]*member{}}
		if pinned != "" {
			fatal("token CA hash does not match the Cluster CA certificate hash: %s != %s", pinned, hash(own.Authority.PEM))
		}
	}
	own.publish(c.text("write-kubeconfig-mode"))
	serve(own, us.Address)
	notify("READY=1")
	runContainer()
	say("k3s is up and running")
	for {
		if first != "" {
			if joined, err := ask(first, token, "server", us); err == nil {
				own.Lock()
				own.Nodes = joined.Nodes
				own.Unlock()
			}
		} else {
			own.Lock()
			own.join(us)
			own.Unlock()
		}
		time.Sleep(500 * time.Millisecond)
	}
}

func runAgent() {
	c := readConfig(false)
	misbehave()
	importImages()
	us := request{Name: c.text("node-name"), Address: c.text("node-ip"), Password: password()}
	token := readToken(c.text("token-file"))
	server := c.text("server")
	if content, err := os.ReadFile(balancer); err == nil {
		var known struct{ ServerURL string }
		if json.Unmarshal(content, &known) == nil && known.ServerURL != "" {
			server = known.ServerURL
		}
	}
	for ready := false; ; {
		_, err := ask(server, token, "node", us)
		switch {
		case err != nil:
			say("Waiting to retrieve agent configuration; server is not ready: %v", err)
			time.Sleep(retry)
			continue
		case !ready:
			write(balancer, must(json.Marshal(map[string]any{"ServerURL": server, "ServerAddresses": []string{strings.TrimPrefix(server, "https://")}})), 0o600)
			notify("READY=1")
			runContainer()
			ready = true
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// --- k3s kubectl

func kubectl(arguments []string) {
	text := string(must(os.ReadFile(kubeconfig)))
	field := func(name string) []byte {
		found := regexp.MustCompile(name + `-data: (\S+)`).FindStringSubmatch(text)
		return must(base64.StdEncoding.DecodeString(found[1]))
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(field("certificate-authority"))
	pair := must(tls.X509KeyPair(field("client-certificate"), field("client-key")))
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}}}}
	line := strings.Join(arguments, " ")
	method, path := "GET", ""
	switch {
	case strings.HasPrefix(line, "get --raw="):
		path = strings.TrimPrefix(line, "get --raw=")
	case strings.HasPrefix(line, "get node "), strings.HasPrefix(line, "delete node "):
		path = "/api/v1/nodes/" + arguments[2]
		if arguments[0] == "delete" {
			method = "DELETE"
		}
	default:
		fatal("the stand-in knows no kubectl %s", line)
	}
	asked, _ := http.NewRequest(method, "https://127.0.0.1:6443"+path, nil)
	response := must(client.Do(asked))
	content := must(io.ReadAll(response.Body))
	if response.StatusCode != 200 {
		fatal("%s", content)
	}
	if strings.Contains(line, "jsonpath") {
		var node struct {
			Status struct {
				Conditions []struct{ Type, Status string }
			}
		}
		must(0, json.Unmarshal(content, &node))
		for _, condition := range node.Status.Conditions {
			fmt.Printf("%s=%s ", condition.Type, condition.Status)
		}
		return
	}
	os.Stdout.Write(content)
}

func main() {
	if os.Getenv("STANDIN_CONTAINER") != "" {
		for {
			time.Sleep(time.Hour)
		}
	}
	command := ""
	if len(os.Args) > 1 {
		command = os.Args[1]
	}
	switch command {
	case "server":
		runServer()
	case "agent":
		runAgent()
	case "kubectl":
		kubectl(os.Args[2:])
	case "--version":
		fmt.Printf("k3s version %s (standin)\n", version)
	default:
		fatal("No help topic for %q", command)
	}
}
