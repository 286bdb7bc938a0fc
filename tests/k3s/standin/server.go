package main

import (
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// server is one process of `k3s server`.
type server struct {
	config  config
	faults  faults
	host    string // address:port where others reach it
	listen  string
	member  string // its name in etcd
	ready   atomic.Bool
	changes sync.Mutex // held while something is changed, also over the network
	mutex   sync.Mutex // held while `cluster` is looked at
	cluster *cluster
	away    map[string]time.Time // servers that did not answer, and until when not to ask
}

func runServer(c config) {
	say("info", "Starting k3s %s (standin)", version)
	s := &server{config: c, faults: readFaults(), away: map[string]time.Time{}}
	s.listen = net.JoinHostPort(c.text("bind-address"), c.text("https-listen-port"))
	s.host = net.JoinHostPort(c.text("node-ip"), c.text("https-listen-port"))
	if given := os.Getenv("STANDIN_LISTEN"); given != "" {
		s.listen, s.host = given, given
	}
	s.faults.begin()
	importImages(c)
	must(0, os.MkdirAll(c.data("/server/db"), 0o700))
	join := s.load()
	s.serve()
	s.publish()
	if join != nil {
		s.join(*join)
	}
	s.faults.delay()
	s.becomeReady()
	for {
		s.pull()
		s.look(func(c *cluster) { c.see(s.config.name()) })
		wait(2 * settles)
	}
}

func (s *server) file() string { return s.config.data("/server/db/standin.json") }
func (s *server) etcd() string { return s.config.data("/server/db/etcd") }
func (s *server) sql() string  { return s.config.data("/server/db/state.db") }

// load finds the cluster on the disk or at another server, or makes it. What it returns is the
// server whose etcd is still to be joined.
func (s *server) load() *access {
	s.cluster = &cluster{}
	content, err := os.ReadFile(s.file())
	switch {
	case err == nil:
		must(0, json.Unmarshal(content, s.cluster))
		s.unlock()
		s.name()
		if s.cluster.Etcd || s.config.is("cluster-init") {
			must(0, s.startEtcd())
		}
		return nil
	case s.config.text("server") != "":
		joined := s.bootstrap()
		s.name()
		return &joined
	}
	s.found()
	return nil
}

// unlock sees that the token is the one the data was locked with.
func (s *server) unlock() {
	if given := s.config.secret("token"); given != "" {
		if serverPassword(given).password != s.cluster.Tokens["server"] {
			unstarted("failed to reconcile with local datastore: bootstrap data already found and encrypted with different token")
		}
	}
	if agent := s.config.secret("agent-token"); agent != "" {
		s.cluster.Tokens["node"] = must(parseToken(agent)).password
	}
}

// found makes a new cluster.
func (s *server) found() {
	token := random(16)
	if given := s.config.secret("token"); given != "" {
		parts := serverPassword(given)
		if parts.pinned != "" {
			fatal("Error: preparing server: token CA hash does not match the Cluster CA certificate hash: %s, and there is no CA yet", parts.pinned)
		}
		token = parts.password
	}
	agent := token
	if given := s.config.secret("agent-token"); given != "" {
		agent = must(parseToken(given)).password
	}
	s.cluster = newCluster(token, agent, s.config)
	s.name()
	if s.config.is("cluster-init") {
		must(0, s.startEtcd())
		return
	}
	write(s.sql(), nil, 0o600)
	s.cluster.save(s.file())
}

// name gives this server a name in etcd, which it keeps (pkg/etcd/etcd.go setName).
func (s *server) name() {
	if !s.cluster.Etcd && !s.config.is("cluster-init") {
		return
	}
	must(0, os.MkdirAll(s.etcd(), 0o700))
	if content, err := os.ReadFile(s.etcd() + "/name"); err == nil {
		s.member = string(content)
		return
	}
	s.member = s.config.name() + "-" + random(4)
	write(s.etcd()+"/name", []byte(s.member), 0o600)
}

// startEtcd starts it for a cluster of one, or again; SQLite's data is taken over.
func (s *server) startEtcd() error {
	if exists(s.sql()) {
		say("info", "Migrating content from sqlite to etcd")
		must(0, os.Rename(s.sql(), s.sql()+".migrated"))
	}
	s.cluster.Etcd = true
	must(0, os.MkdirAll(s.etcd()+"/member/wal", 0o700))
	defer s.cluster.save(s.file())
	return s.cluster.add(member{Name: s.member, Node: s.config.name(), Host: s.host}, 0)
}

// bootstrap gets keys and tokens from the server to join, and compares critical values.
func (s *server) bootstrap() access {
	token := s.config.secret("token")
	if token == "" {
		unstarted("failed to check if bootstrap data has been initialized: K3S_TOKEN is required to join a cluster")
	}
	serverPassword(token)
	found, err := find(s.config.text("server"), token, "server")
	if err != nil {
		unstarted("failed to check if bootstrap data has been initialized: failed to validate token: %v", err)
	}
	say("info", "Managed etcd cluster not yet initialized")
	if err = found.ask("GET", "/v1-k3s/server-bootstrap", nil, s.cluster); err != nil {
		unstarted("%v", err)
	}
	if s.differs() {
		unstarted("failed to validate server configuration: critical configuration value mismatch between servers")
	}
	return found
}

func unstarted(format string, values ...any) {
	fatal("Error: preparing server: failed to bootstrap cluster data: "+format, values...)
}

func (s *server) differs() bool {
	ours, found := s.config.critical(), false
	for _, key := range append(critical, "disable=servicelb") {
		if ours[key] != s.cluster.Critical[key] {
			say("warning", "critical configuration mismatched: %s", key)
			found = true
		}
	}
	agent := s.config.secret("agent-token")
	if agent == "" {
		agent = s.cluster.Tokens["server"]
	}
	if must(parseToken(agent)).password != s.cluster.Tokens["node"] {
		say("warning", "critical configuration mismatched: agent-token")
		found = true
	}
	return found
}

// join waits until etcd takes this server as its learner, and then until it votes.
func (s *server) join(other access) {
	us := member{Name: s.member, Node: s.config.name(), Host: s.host}
	for {
		joined := &cluster{}
		err := other.ask("POST", "/v1-standin/member", us, joined)
		if err == nil {
			say("info", "Adding member %s=https://%s to etcd cluster", s.member, s.host)
			s.look(func(*cluster) { s.cluster = joined })
			break
		}
		if err.Error() != errLearners.Error() {
			os.Remove(s.etcd() + "/name")
			fatal("etcd cluster join failed: %v", err)
		}
		say("info", "Waiting for other members to finish joining etcd cluster: %v", err)
		wait(time.Second)
	}
	must(0, os.MkdirAll(s.etcd()+"/member/wal", 0o700))
	s.look(func(c *cluster) { c.save(s.file()) })
	for !s.votes() {
		say("info", "Failed to test etcd connection: this server has not yet been promoted from learner to voting member")
		wait(settles)
		s.pull()
	}
}

func (s *server) votes() (found bool) {
	s.look(func(c *cluster) {
		us := c.Members[s.member]
		found = us != nil && time.Now().After(us.Votes)
	})
	return found
}

func (s *server) becomeReady() {
	s.ready.Store(true)
	notify("READY=1")
	say("info", "k3s is up and running")
	runContainer(s.config)
	us := thisNode(s.config, s.faults)
	us.Server = true
	password := nodePassword()
	s.change(func(c *cluster) error {
		if err := c.verify(us.Name, password); err != nil {
			// Nobody else judges a server, and it runs already: an event, not an end.
			say("warning", "Deferred node password secret validation failed: %v", err)
		}
		c.register(us)
		return nil
	})
}

func (s *server) serve() {
	ca := s.cluster.Authority
	from := time.Now().Add(-time.Hour)
	if s.faults.Skew > 0 {
		from = time.Now().Add(seconds(s.faults.Skew))
	}
	certificate := ca.forServer(s.config, from)
	settings := &tls.Config{Certificates: []tls.Certificate{certificate},
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: ca.pool()}
	listener := must(net.Listen("tcp", s.listen))
	web := http.Server{Handler: s.handler(), TLSConfig: settings}
	go func() { fatal("Error: %v", web.ServeTLS(listener, "", "")) }()
}

// publish writes what k3s writes before its API is ready.
func (s *server) publish() {
	ca, tokens := s.cluster.Authority, s.cluster.Tokens
	write(s.config.data("/server/tls/server-ca.crt"), ca.PEM, 0o644)
	write(s.config.data("/server/tls/server-ca.key"), pemKey(ca.Key), 0o600)
	token := s.config.data("/server/token")
	write(token, []byte(secureToken(ca.PEM, "server:"+tokens["server"])+"\n"), 0o600)
	link(token, s.config.data("/server/node-token"))
	agent := s.config.data("/server/agent-token")
	if tokens["node"] == tokens["server"] {
		link(token, agent)
	} else {
		os.Remove(agent)
		write(agent, []byte(secureToken(ca.PEM, "node:"+tokens["node"])+"\n"), 0o600)
	}
	bits := os.FileMode(0)
	must(fmt.Sscanf(s.config.text("write-kubeconfig-mode"), "%o", &bits))
	_, port, _ := net.SplitHostPort(s.host)
	write(under(s.config.text("write-kubeconfig")), []byte(kubeconfig(ca, "https://127.0.0.1:"+port)), bits)
}

func link(target, name string) {
	os.Remove(name)
	must(0, os.Symlink(target, name))
}

func kubeconfig(ca authority, url string) string {
	certificate, key := ca.forClient("system:admin", "system:masters")
	encode := base64.StdEncoding.EncodeToString
	return fmt.Sprintf(`apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: %s
    server: %s
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
users:
- name: default
  user:
    client-certificate-data: %s
    client-key-data: %s
`, encode(ca.PEM), url, encode(certificate), encode(key))
}

// --- what servers tell each other

func (c *cluster) save(file string) { write(file, must(json.Marshal(c)), 0o600) }

func (c *cluster) see(name string) {
	if known := c.Nodes[name]; known != nil {
		known.Seen = time.Now()
	}
}

func (s *server) look(at func(*cluster)) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	at(s.cluster)
}

// change asks the others what they know, changes it, and tells them.
func (s *server) change(by func(*cluster) error) (err error) {
	s.changes.Lock()
	defer s.changes.Unlock()
	s.pull()
	var news []byte
	s.look(func(c *cluster) {
		if err = by(c); err == nil {
			c.Revision++
			c.save(s.file())
			news = must(json.Marshal(c))
		}
	})
	if err == nil {
		s.others(func(other access) error {
			return other.ask("POST", "/v1-standin/state", json.RawMessage(news), nil)
		})
	}
	return err
}

func (s *server) pull() {
	s.others(func(other access) error {
		theirs := &cluster{}
		err := other.ask("GET", "/v1-standin/state", nil, theirs)
		if err == nil {
			s.adopt(theirs)
		}
		return err
	})
}

// adopt takes what is newer; when nodes were last heard of is no change.
func (s *server) adopt(theirs *cluster) {
	s.look(func(ours *cluster) {
		older := theirs
		if theirs.Revision > ours.Revision {
			s.cluster, older = theirs, ours
			theirs.save(s.file())
		}
		for name, each := range s.cluster.Nodes {
			if known := older.Nodes[name]; known != nil && known.Seen.After(each.Seen) {
				each.Seen = known.Seen
			}
		}
	})
}

func (s *server) others(each func(access) error) {
	hosts, credentials := []string{}, credentials{user: "server"}
	var ca []byte
	s.look(func(c *cluster) {
		ca, credentials.password = c.Authority.PEM, c.Tokens["server"]
		for _, member := range c.Members {
			if member.Host != s.host && time.Now().After(s.away[member.Host]) {
				hosts = append(hosts, member.Host)
			}
		}
	})
	for _, host := range hosts {
		err := each(access{"https://" + host, ca, credentials})
		var answered refused
		if err != nil && !errors.As(err, &answered) {
			s.look(func(*cluster) { s.away[host] = time.Now().Add(hurried(silence)) })
		}
	}
}

func (s *server) hosts() []string {
	found := []string{}
	s.look(func(c *cluster) {
		for _, each := range c.Members {
			found = append(found, each.Host)
		}
	})
	if len(found) == 0 {
		found = append(found, strings.TrimPrefix(s.host, "https://"))
	}
	return found
}
