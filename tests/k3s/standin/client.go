package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// access is a server that was found to be of the cluster that a token means.
type access struct {
	url         string
	ca          []byte
	credentials credentials
}

func client(settings *tls.Config) *http.Client {
	transport := &http.Transport{TLSClientConfig: settings, DisableKeepAlives: true}
	return &http.Client{Timeout: 5 * time.Second, Transport: transport}
}

// find asks for the CA without trusting anybody, compares it with the token's, and sees that the
// server has a certificate of it (pkg/clientaccess/token.go getCACerts, validateCAHash).
func find(url, token, user string) (access, error) {
	parts, err := parseToken(token)
	if err != nil {
		return access{}, err
	}
	if parts.bearer == "" {
		parts.user = user
	}
	ca, err := get(client(&tls.Config{InsecureSkipVerify: true}), url+"/cacerts")
	if err != nil {
		return access{}, fmt.Errorf("failed to get CA certs: %w", err)
	}
	found := access{url, ca, parts}
	if _, err = get(found.client(), url+"/cacerts"); err != nil {
		return access{}, fmt.Errorf("CA cert validation failed: %w", err)
	}
	if parts.pinned == "" {
		say("warning", "Cluster CA certificate is not trusted by the host CA bundle, but the token does not include a CA hash. Use the full token from the server's node-token file to enable Cluster CA validation.")
	} else if parts.pinned != hash(ca) {
		return access{}, fmt.Errorf("token CA hash does not match the Cluster CA certificate hash: %s != %s", parts.pinned, hash(ca))
	}
	return found, nil
}

func (a access) client() *http.Client {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.ca)
	return client(&tls.Config{RootCAs: pool})
}

// ask sends credentials; what was refused is an error of its status with the server's words.
func (a access) ask(method, path string, body, answer any, headers ...string) error {
	request := must(http.NewRequest(method, a.url+path, bytes.NewReader(must(json.Marshal(body)))))
	if a.credentials.bearer != "" {
		request.Header.Set("Authorization", "Bearer "+a.credentials.bearer)
	} else {
		request.SetBasicAuth(a.credentials.user, a.credentials.password)
	}
	for at := 0; at+1 < len(headers); at += 2 {
		request.Header.Set(headers[at], headers[at+1])
	}
	content, err := do(a.client(), request)
	if err != nil || answer == nil {
		return err
	}
	return json.Unmarshal(content, answer)
}

type refused struct {
	status int
	words  string
}

func (r refused) Error() string { return r.words }

func isRefused(err error, status int) bool {
	var found refused
	return errors.As(err, &found) && found.status == status
}

func get(c *http.Client, url string) ([]byte, error) {
	return do(c, must(http.NewRequest("GET", url, nil)))
}

func do(c *http.Client, request *http.Request) ([]byte, error) {
	response, err := c.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if response.StatusCode < 300 {
		return content, err
	}
	said := struct{ Message string }{}
	if json.Unmarshal(content, &said) != nil || said.Message == "" {
		said.Message = fmt.Sprintf("%s: %s", request.URL, response.Status)
	}
	return nil, refused{response.StatusCode, said.Message}
}
