package main

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

const prefix = "K10"

var bootstrapForm = regexp.MustCompile(`^[a-z0-9]{6}\.[a-z0-9]{16}$`)

func hash(content []byte) string { return fmt.Sprintf("%x", sha256.Sum256(content)) }

func random(bytes int) string {
	content := make([]byte, bytes)
	must(rand.Read(content))
	return fmt.Sprintf("%x", content)
}

// credentials are the parts of a token; bearer alone is set for one that `token create` made.
type credentials struct {
	pinned, user, password, bearer string
}

// parseToken follows pkg/clientaccess/token.go parseToken.
func parseToken(token string) (credentials, error) {
	if token == "" {
		return credentials{}, errors.New("token must not be empty")
	}
	rest, secure := strings.CutPrefix(token, prefix)
	if !secure {
		if bootstrapForm.MatchString(token) {
			return credentials{bearer: token}, nil
		}
		return credentials{password: token}, nil
	}
	found := credentials{}
	if pinned, after, ok := strings.Cut(rest, "::"); ok {
		if pinned != "" && len(pinned) != 64 {
			return found, errors.New("invalid token CA hash length")
		}
		found.pinned, rest = pinned, after
	}
	if bootstrapForm.MatchString(rest) {
		found.bearer = rest
		return found, nil
	}
	user, password, ok := strings.Cut(rest, ":")
	if !ok || password == "" {
		return found, errors.New("invalid token format")
	}
	found.user, found.password = user, password
	return found, nil
}

func secureToken(ca []byte, credentials string) string {
	return prefix + hash(ca) + "::" + credentials
}

// serverPassword follows pkg/util/token.go NormalizeToken.
func serverPassword(token string) credentials {
	found, err := parseToken(token)
	if err != nil || found.bearer != "" {
		fatal("Error: preparing server: failed to normalize server token; must be in format K10<CA-HASH>::<USERNAME>:<PASSWORD> or <PASSWORD>")
	}
	return found
}
