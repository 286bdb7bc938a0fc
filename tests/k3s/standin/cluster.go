package main

import (
	"errors"
	"fmt"
	"time"
)

const (
	silence = 5 * time.Second        // after which a node is no longer Ready
	settles = 300 * time.Millisecond // after which a new node is Ready, and etcd's condition there
)

var (
	errLearners  = errors.New("etcdserver: too many learner members in cluster")
	errDuplicate = errors.New("duplicate node name found, please use a unique name for this node")
)

// node is what Kubernetes keeps of one.
type node struct {
	Name, Address, Version string
	Server, Cordoned, Full bool
	Labels                 map[string]string
	Joined, Seen           time.Time
}

// member is one of etcd; `Host` is where its server listens.
type member struct {
	Name, Node, Host string
	Votes            time.Time
}

type bootstrapToken struct {
	Secret string
	Until  time.Time
}

// cluster is what all servers know; of two, the one with the higher revision counts.
type cluster struct {
	Revision  int
	Authority authority
	Tokens    map[string]string // user -> password
	Critical  map[string]string
	Etcd      bool
	UID       string
	Nodes     map[string]*node
	Passwords map[string]string // node -> hash
	Members   map[string]*member
	Bootstrap map[string]bootstrapToken
}

func newCluster(server, agent string, c config) *cluster {
	return &cluster{
		Authority: newAuthority(), UID: random(16), Critical: c.critical(),
		Tokens: map[string]string{"server": server, "node": agent}, Nodes: map[string]*node{},
		Passwords: map[string]string{}, Members: map[string]*member{},
		Bootstrap: map[string]bootstrapToken{},
	}
}

// roleOf returns "server", "agent", "admin" or nothing, by credentials that were given.
func (c *cluster) roleOf(user, password, bearer string) string {
	if bearer != "" {
		id := bearer[:min(6, len(bearer))]
		known := c.Bootstrap[id]
		if bearer == id+"."+known.Secret && (known.Until.IsZero() || time.Now().Before(known.Until)) {
			return "agent"
		}
		return ""
	}
	if c.Tokens[user] == "" || c.Tokens[user] != password {
		return ""
	}
	return map[string]string{"server": "server", "node": "agent"}[user]
}

// verify compares a node's password with the one that its name had first.
func (c *cluster) verify(name, password string) error {
	known := c.Passwords[name]
	if known != "" && known != hash([]byte(password)) {
		return fmt.Errorf("unable to verify password for node %s: hash does not match", name)
	}
	c.Passwords[name] = hash([]byte(password))
	return nil
}

// add makes a server a learner of etcd; the first one votes at once.
func (c *cluster) add(m member, learns time.Duration) error {
	if c.Members[m.Name] != nil {
		return nil
	}
	if c.memberOf(m.Node) != nil {
		return errDuplicate
	}
	for _, other := range c.Members {
		if time.Now().Before(other.Votes) {
			return errLearners
		}
	}
	m.Votes = time.Now()
	if len(c.Members) > 0 {
		m.Votes = m.Votes.Add(hurried(learns))
	}
	c.Members[m.Name] = &m
	return nil
}

// register makes a Node, or keeps the one of that name.
func (c *cluster) register(n node) {
	if known := c.Nodes[n.Name]; known != nil {
		n.Joined, n.Cordoned = known.Joined, known.Cordoned
	} else {
		n.Joined = time.Now()
	}
	n.Seen = time.Now()
	c.Nodes[n.Name] = &n
}

// remove forgets a Node, its password and its member of etcd.
func (c *cluster) remove(name string) bool {
	known := c.Nodes[name] != nil
	delete(c.Nodes, name)
	delete(c.Passwords, name)
	for id, each := range c.Members {
		if each.Node == name {
			delete(c.Members, id)
		}
	}
	return known
}

func (c *cluster) memberOf(name string) *member {
	for _, each := range c.Members {
		if each.Node == name {
			return each
		}
	}
	return nil
}

// object returns the Node as Kubernetes shows it.
func (c *cluster) object(n *node) map[string]any {
	labels := map[string]string{"kubernetes.io/hostname": n.Name, "kubernetes.io/os": "linux",
		"node.kubernetes.io/instance-type": "k3s"}
	for key, value := range n.Labels {
		labels[key] = value
	}
	if n.Server {
		labels["node-role.kubernetes.io/control-plane"] = "true"
	}
	conditions := []map[string]string{c.ready(n)}
	member := c.memberOf(n.Name)
	if member != nil {
		labels["node-role.kubernetes.io/etcd"] = "true"
	}
	if member != nil && time.Since(n.Joined) > hurried(settles) {
		// After Ready on purpose: who takes the last condition for Ready is wrong.
		conditions = append(conditions, condition("EtcdIsVoter", time.Now().After(member.Votes), "MemberNotLearner"))
	}
	conditions = append([]map[string]string{condition("DiskPressure", n.Full, "Standin")}, conditions...)
	spec := map[string]any{}
	if n.Cordoned {
		spec["unschedulable"] = true
	}
	return map[string]any{
		"kind": "Node", "apiVersion": "v1", "spec": spec,
		"metadata": map[string]any{"name": n.Name, "labels": labels},
		"status": map[string]any{
			"conditions": conditions,
			"addresses":  []map[string]string{{"type": "InternalIP", "address": n.Address}},
			"nodeInfo":   map[string]string{"kubeletVersion": n.Version},
		},
	}
}

func (c *cluster) ready(n *node) map[string]string {
	if time.Since(n.Seen) > hurried(silence) {
		return map[string]string{"type": "Ready", "status": "Unknown",
			"reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}
	}
	if time.Since(n.Joined) < hurried(settles) {
		return condition("Ready", false, "KubeletNotReady")
	}
	return condition("Ready", true, "KubeletReady")
}

func condition(kind string, holds bool, reason string) map[string]string {
	status := map[bool]string{true: "True", false: "False"}[holds]
	return map[string]string{"type": kind, "status": status, "reason": reason}
}
