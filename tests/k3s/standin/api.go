package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(value)
}

func refuse(w http.ResponseWriter, status int, words string) {
	answer(w, status, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure",
		"message": words, "code": status})
}

func receive(w http.ResponseWriter, r *http.Request, value any) bool {
	if err := json.NewDecoder(r.Body).Decode(value); err != nil {
		refuse(w, 400, err.Error())
		return false
	}
	return true
}

func plain(w http.ResponseWriter, text string) {
	w.Header().Set("Content-Type", "text/plain")
	io.WriteString(w, text)
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ping", func(w http.ResponseWriter, r *http.Request) { plain(w, "pong") })
	mux.HandleFunc("GET /cacerts", func(w http.ResponseWriter, r *http.Request) {
		s.look(func(c *cluster) { plain(w, string(c.Authority.PEM)) })
	})
	s.forAgents(mux)
	s.forServers(mux)
	kubernetes := http.NewServeMux()
	s.forAdmins(kubernetes)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		switch {
		case len(r.TLS.PeerCertificates) == 0:
			refuse(w, 401, "Unauthorized")
		case !s.ready.Load():
			refuse(w, 503, "apiserver not ready")
		default:
			kubernetes.ServeHTTP(w, r)
		}
	})
	return mux
}

// only lets those of a role in, by password or by the token of `token create`.
func (s *server) only(role string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, password, given := r.BasicAuth()
		bearer, isBearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !isBearer {
			bearer = ""
		}
		found := ""
		s.look(func(c *cluster) { found = c.roleOf(user, password, bearer) })
		switch {
		case found == role:
			next(w, r)
		case found == "" && (given || isBearer):
			say("error", "Failed to authenticate request from %s: invalid username/password combination", r.RemoteAddr)
			refuse(w, 401, "not authorized")
		default:
			refuse(w, 403, "forbidden")
		}
	}
}

func (s *server) whenReady(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.ready.Load() {
			refuse(w, 503, "runtime core not ready")
			return
		}
		next(w, r)
	}
}

func (s *server) forAgents(mux *http.ServeMux) {
	handle := func(pattern string, next http.HandlerFunc) {
		mux.HandleFunc(pattern, s.only("agent", next))
	}
	handle("GET /v1-k3s/readyz", s.whenReady(func(w http.ResponseWriter, r *http.Request) { plain(w, "ok") }))
	handle("GET /v1-k3s/config", func(w http.ResponseWriter, r *http.Request) {
		s.look(func(c *cluster) { answer(w, 200, c.Critical) })
	})
	handle("GET /v1-k3s/apiservers", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, s.hosts())
	})
	handle("/v1-k3s/serving-kubelet.crt", s.whenReady(func(w http.ResponseWriter, r *http.Request) {
		name, password := r.Header.Get("k3s-Node-Name"), r.Header.Get("k3s-Node-Password")
		if name == "" || password == "" {
			refuse(w, 400, "node name or node password not set")
			return
		}
		err := s.change(func(c *cluster) error { return c.verify(strings.ToLower(name), password) })
		if err != nil {
			refuse(w, 403, err.Error())
			return
		}
		plain(w, "the stand-in needs no certificate\n")
	}))
	handle("POST /v1-standin/node", s.whenReady(func(w http.ResponseWriter, r *http.Request) {
		asked := node{}
		if receive(w, r, &asked) {
			s.change(func(c *cluster) error { c.register(asked); return nil })
			answer(w, 200, asked)
		}
	}))
	handle("PUT /v1-standin/node/{name}", s.whenReady(func(w http.ResponseWriter, r *http.Request) {
		s.look(func(c *cluster) {
			if c.Nodes[r.PathValue("name")] == nil {
				refuse(w, 404, fmt.Sprintf("nodes %q not found", r.PathValue("name")))
				return
			}
			c.see(r.PathValue("name"))
			answer(w, 200, nil)
		})
	}))
}

func (s *server) forServers(mux *http.ServeMux) {
	handle := func(pattern string, next http.HandlerFunc) {
		mux.HandleFunc(pattern, s.only("server", next))
	}
	state := func(w http.ResponseWriter, r *http.Request) {
		s.look(func(c *cluster) { answer(w, 200, c) })
	}
	handle("GET /v1-standin/state", state)
	handle("GET /v1-k3s/server-bootstrap", func(w http.ResponseWriter, r *http.Request) {
		if s.member == "" {
			refuse(w, 400, "etcd disabled")
			return
		}
		state(w, r)
	})
	handle("POST /v1-standin/state", func(w http.ResponseWriter, r *http.Request) {
		theirs := &cluster{}
		if receive(w, r, theirs) {
			s.adopt(theirs)
			answer(w, 200, nil)
		}
	})
	handle("POST /v1-standin/member", func(w http.ResponseWriter, r *http.Request) {
		asked := member{}
		if !receive(w, r, &asked) {
			return
		}
		err := s.change(func(c *cluster) error { return c.add(asked, seconds(s.faults.Learn)) })
		if err != nil {
			refuse(w, 412, err.Error())
			return
		}
		state(w, r)
	})
	handle("POST /db/snapshot", s.saveSnapshot)
}

func (s *server) saveSnapshot(w http.ResponseWriter, r *http.Request) {
	asked := struct{ Name string }{}
	if !receive(w, r, &asked) {
		return
	}
	if s.member == "" {
		refuse(w, 400, "etcd datastore disabled")
		return
	}
	asked.Name = fmt.Sprintf("%s-%s-%d", asked.Name, s.config.name(), time.Now().Unix())
	directory := s.config.data("/server/db/snapshots")
	must(0, os.MkdirAll(directory, 0o700))
	s.look(func(c *cluster) { c.save(directory + "/" + asked.Name) })
	answer(w, 200, asked)
}

func (s *server) forAdmins(mux *http.ServeMux) {
	for _, path := range []string{"/readyz", "/livez", "/healthz"} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { plain(w, "ok") })
	}
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, map[string]string{"gitVersion": version})
	})
	mux.HandleFunc("GET /api/v1/namespaces/kube-system", func(w http.ResponseWriter, r *http.Request) {
		s.look(func(c *cluster) {
			answer(w, 200, map[string]any{"metadata": map[string]string{"name": "kube-system", "uid": c.UID}})
		})
	})
	mux.HandleFunc("POST /api/v1/namespaces/kube-system/secrets", s.addToken)
	mux.HandleFunc("GET /api/v1/pods", func(w http.ResponseWriter, r *http.Request) {
		answer(w, 200, map[string]any{"items": []any{}})
	})
	mux.HandleFunc("GET /api/v1/nodes", func(w http.ResponseWriter, r *http.Request) {
		items := []any{}
		s.look(func(c *cluster) {
			for _, each := range c.Nodes {
				items = append(items, c.object(each))
			}
		})
		answer(w, 200, map[string]any{"kind": "NodeList", "apiVersion": "v1", "items": items})
	})
	mux.HandleFunc("/api/v1/nodes/{name}", s.oneNode)
}

func (s *server) oneNode(w http.ResponseWriter, r *http.Request) {
	name, patch := r.PathValue("name"), struct {
		Spec     struct{ Unschedulable *bool }
		Metadata struct{ Labels map[string]string }
	}{}
	if r.Method == "PATCH" && !receive(w, r, &patch) {
		return
	}
	var found map[string]any
	change := func(c *cluster) error {
		n := c.Nodes[name]
		if n == nil {
			return fmt.Errorf("nodes %q not found", name)
		}
		if patch.Spec.Unschedulable != nil {
			n.Cordoned = *patch.Spec.Unschedulable
		}
		for key, value := range patch.Metadata.Labels {
			n.Labels[key] = value
		}
		found = c.object(n)
		if r.Method == "DELETE" {
			c.remove(name)
		}
		return nil
	}
	var err error
	switch r.Method {
	case "GET":
		s.look(func(c *cluster) { err = change(c) })
	case "PATCH", "DELETE":
		err = s.change(change)
	default:
		refuse(w, 405, "the server does not allow this method on the requested resource")
		return
	}
	if err != nil {
		refuse(w, 404, err.Error())
		return
	}
	answer(w, 200, found)
}

// addToken takes a secret of type bootstrap.kubernetes.io/token, and no other.
func (s *server) addToken(w http.ResponseWriter, r *http.Request) {
	asked := struct {
		Type       string
		StringData map[string]string
	}{}
	if !receive(w, r, &asked) {
		return
	}
	if asked.Type != "bootstrap.kubernetes.io/token" {
		refuse(w, 400, "the stand-in keeps no such secret")
		return
	}
	made := bootstrapToken{Secret: asked.StringData["token-secret"]}
	if until := asked.StringData["expiration"]; until != "" {
		made.Until = must(time.Parse(time.RFC3339Nano, until))
	}
	s.change(func(c *cluster) error { c.Bootstrap[asked.StringData["token-id"]] = made; return nil })
	answer(w, 201, map[string]any{"kind": "Secret"})
}
