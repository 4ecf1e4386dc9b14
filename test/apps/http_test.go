package apps

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"testing"
	"time"

	"strata/test/testbed"
)

// A request is an HTTP request with the answer that it has to get.
type request struct {
	method, path string
	sent         int           // bytes of the body
	header       string        // a name with the value below
	value        string        //
	pause        time.Duration // between the answer's beginning and the reading of the rest
	status       int
	received     int64 // bytes of the body, -1 for any number
}

// newClient keeps connections open, and speaks HTTP/2 where TLS offers it.
func newClient(t *testing.T) *http.Client {
	client := &http.Client{Timeout: testbed.Limit, Transport: &http.Transport{
		MaxConnsPerHost:   4,
		ForceAttemptHTTP2: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // the certificate is made for the test
	}}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// do makes a request and returns the answer's body.
func (r request) do(client *http.Client, base string) (string, error) {
	question, err := http.NewRequest(r.method, base+r.path, bytes.NewReader(make([]byte, r.sent)))
	if err != nil {
		return "", err
	}
	if r.header != "" {
		question.Header.Set(r.header, r.value)
	}
	answer, err := client.Do(question)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	time.Sleep(r.pause)
	body, err := io.ReadAll(answer.Body)
	switch {
	case err != nil:
		return "", fmt.Errorf("%s %s: %w", r.method, r.path, err)
	case answer.StatusCode != r.status:
		return "", fmt.Errorf("%s %s: %s, want %d: %.200q", r.method, r.path, answer.Status, r.status, body)
	case r.received >= 0 && int64(len(body)) != r.received:
		return "", fmt.Errorf("%s %s: %d bytes, want %d", r.method, r.path, len(body), r.received)
	}
	return string(body), nil
}

// each makes all requests one after the other, at the same time from several clients.
func each(t *testing.T, requests []request, bases ...string) {
	t.Helper()
	const clients = 2
	failed := make(chan error)
	for _, base := range bases {
		for range clients {
			client := newClient(t)
			go func() {
				for _, r := range requests {
					_, err := r.do(client, base)
					failed <- err
				}
			}()
		}
	}
	for range len(bases) * clients * len(requests) {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

// certificate makes one for localhost that signs itself, and its key, in PEM.
func certificate(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{"localhost"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
}
