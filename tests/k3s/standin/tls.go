package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"time"
)

// authority signs everything; k3s has one for servers and one for clients.
type authority struct {
	PEM []byte
	Key []byte // PKCS 8
}

func (a authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.PEM)
	return pool
}

func (a authority) parts() (*x509.Certificate, *ecdsa.PrivateKey) {
	block, _ := pem.Decode(a.PEM)
	key := must(x509.ParsePKCS8PrivateKey(a.Key)).(*ecdsa.PrivateKey)
	return must(x509.ParseCertificate(block.Bytes)), key
}

func issue(template *x509.Certificate, from time.Time, by *authority) (certificate, key []byte) {
	private := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	template.NotBefore, template.NotAfter = from, from.AddDate(1, 0, 0)
	parent, signer := template, private
	if by != nil {
		parent, signer = by.parts()
	}
	der := must(x509.CreateCertificate(rand.Reader, template, parent, &private.PublicKey, signer))
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return encoded, must(x509.MarshalPKCS8PrivateKey(private))
}

func newAuthority() authority {
	certificate, key := issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "k3s-server-ca@standin"}, IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}, time.Now().Add(-time.Hour), nil)
	return authority{certificate, key}
}

// forServer is valid for the node itself and for tls-san only (tls-san-security is the default).
func (a authority) forServer(c config, from time.Time) tls.Certificate {
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "k3s"}, DNSNames: []string{"localhost", "kubernetes", c.name()},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, name := range append(c["tls-san"], c.text("node-ip")) {
		if address := net.ParseIP(name); address != nil {
			template.IPAddresses = append(template.IPAddresses, address)
		} else if name != "" {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	certificate, key := issue(template, from, &a)
	return must(tls.X509KeyPair(certificate, pemKey(key)))
}

func (a authority) forClient(name, group string) (certificate, key []byte) {
	certificate, raw := issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: name, Organization: []string{group}},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, time.Now().Add(-time.Hour), &a)
	return certificate, pemKey(raw)
}

func pemKey(key []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
}
