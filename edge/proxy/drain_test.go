package proxy

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/originpull/originpull/pki"
)

// Over h2 too an answer that is under way comes to its end, and nobody begins
// another.
func TestDrainH2(t *testing.T) {
	a := newAuthority(t)
	asked, goOn := make(chan struct{}), make(chan struct{})
	l := newLab(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		close(asked)
		<-goOn
		_, _ = io.WriteString(w, "full")
	}, func(cfg *Config) { cfg.Viewers.Certificate = a.issue(t, siteName, pki.ServerAuth) })
	c := client(t, &tls.Config{RootCAs: a.roots, ServerName: siteName}, protoH2)
	request := l.request(t, "GET", "/", nil)
	request.URL.Scheme = "https"
	resp, err := c.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	<-asked
	drained := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		drained <- l.proxy.Shutdown(ctx)
	}()
	for { // until it does not listen any more
		conn, err := net.Dial("tcp", l.at)
		if err != nil {
			break
		}
		_ = conn.Close()
	}
	close(goOn)
	text, err := io.ReadAll(resp.Body)
	if err != nil || string(text) != "halffull" || resp.ProtoMajor != 2 {
		t.Errorf("%s %q, %v", resp.Proto, text, err)
	}
	_ = resp.Body.Close()
	if err := <-drained; err != nil {
		t.Error(err)
	}
}
