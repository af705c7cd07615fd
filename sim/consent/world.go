package consent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// worldPatience bounds each question.
const worldPatience = 5 * time.Second

// World asks DNS and the web.
func World() Lookup {
	var resolver net.Resolver
	return Lookup{
		Addresses: func(ctx context.Context, host string) ([]netip.Addr, error) {
			ctx, cancel := context.WithTimeout(ctx, worldPatience)
			defer cancel()
			return resolver.LookupNetIP(ctx, "ip", host)
		},
		Texts: func(ctx context.Context, name string) ([]string, error) {
			ctx, cancel := context.WithTimeout(ctx, worldPatience)
			defer cancel()
			return resolver.LookupTXT(ctx, name)
		},
		Fetch: fetcher(http.DefaultTransport),
	}
}

// fetcher reads one small text.
func fetcher(through http.RoundTripper) func(ctx context.Context, url string) (string, error) {
	client := &http.Client{
		Transport:     through,
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("a redirect is not followed") },
	}
	return func(ctx context.Context, url string) (_ string, err error) {
		ctx, cancel := context.WithTimeout(ctx, worldPatience)
		defer cancel()
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return "", fmt.Errorf("asking for consent: %w", err)
		}
		response, err := client.Do(request)
		if err != nil {
			return "", fmt.Errorf("asking for consent: %w", err)
		}
		defer func() { err = errors.Join(err, response.Body.Close()) }()
		if response.StatusCode != http.StatusOK {
			return "", fmt.Errorf("asking for consent at %s: status %s", url, response.Status)
		}
		text, err := io.ReadAll(io.LimitReader(response.Body, longestStatement+1))
		return string(text), err
	}
}
