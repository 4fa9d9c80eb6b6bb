package netio

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// fallbackDelay is the head start of the first address family, as in net.Dialer.
const fallbackDelay = 300 * time.Millisecond

// dial connects to address as a net.Dialer does, but returns all errors, where the Dialer returns
// the first. resolver looks up names if dialer has no resolver.
func dial(ctx context.Context, resolver *net.Resolver, dialer *net.Dialer, network, address string) (net.Conn, error) {
	d := new(net.Dialer)
	if dialer != nil {
		*d = *dialer
	}
	d.Resolver = cmp.Or(d.Resolver, resolver)
	if address == "" {
		return nil, invalid("netio.CreateConnection: the address is empty")
	}
	switch network {
	case "unix":
		return d.DialContext(ctx, network, address)
	case "tcp", "tcp4", "tcp6":
	default:
		return nil, invalid("netio.CreateConnection: network %q is not tcp, tcp4, tcp6 or unix", network)
	}
	if d.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d.Timeout)
		defer cancel()
	}
	host, port, err := net.SplitHostPort(address)
	if _, literal := netip.ParseAddr(host); err != nil || host == "" || literal == nil {
		return d.DialContext(ctx, network, address) // the Dialer tries one address, or none
	}
	ips, err := d.Resolver.LookupNetIP(ctx, "ip"+network[len("tcp"):], host)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	first, second := byFamily(ips, network)
	if len(second) == 0 || d.FallbackDelay < 0 {
		return dialEach(ctx, d, network, append(first, second...), port)
	}
	return dialBoth(ctx, d, network, first, second, port)
}

// byFamily splits ips by family: those of the first one's family, and the others. If the network
// has one family, all are in first.
func byFamily(ips []netip.Addr, network string) (first, second []netip.Addr) {
	for _, ip := range ips {
		ip = ip.Unmap()
		if ip.Is4() == ips[0].Unmap().Is4() || network != "tcp" {
			first = append(first, ip)
		} else {
			second = append(second, ip)
		}
	}
	return first, second
}

// dialEach tries ips one after the other. If all fail, it joins their errors.
func dialEach(ctx context.Context, d *net.Dialer, network string, ips []netip.Addr, port string) (net.Conn, error) {
	var errs []error
	for i, ip := range ips {
		one, cancel := shareOf(ctx, len(ips)-i)
		conn, err := d.DialContext(one, network, net.JoinHostPort(ip.String(), port))
		cancel()
		if err == nil {
			return conn, nil
		}
		if errs = append(errs, err); ctx.Err() != nil {
			break
		}
	}
	return nil, joined(errs)
}

// shareOf returns a context for the first of n attempts, with its share of ctx's time.
func shareOf(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok || n == 1 {
		return context.WithCancel(ctx)
	}
	left := time.Until(deadline)
	return context.WithTimeout(ctx, max(left/time.Duration(n), min(left, 2*time.Second)))
}

// dialBoth tries first, and also second if first fails or takes long. It returns the first
// connection.
func dialBoth(ctx context.Context, d *net.Dialer, network string, first, second []netip.Addr, port string) (net.Conn, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan attempt, 2) // room for both, so that no goroutine blocks
	try := func(ips []netip.Addr) {
		conn, err := dialEach(ctx, d, network, ips, port)
		results <- attempt{conn, err}
	}
	go try(first)
	headStart := time.NewTimer(cmp.Or(d.FallbackDelay, fallbackDelay))
	defer headStart.Stop()
	var errs []error
	waiting, begun := 1, false
	for {
		if !begun && len(errs) > 0 {
			headStart.Reset(0)
		}
		select {
		case <-headStart.C:
			begun = true
			waiting++
			go try(second)
		case a := <-results:
			waiting--
			if a.err == nil {
				cancel()
				closeLate(results, waiting)
				return a.conn, nil
			}
			errs = append(errs, a.err)
		}
		if begun && waiting == 0 {
			return nil, joined(errs)
		}
	}
}

// An attempt is the result of dialEach.
type attempt struct {
	conn net.Conn
	err  error
}

// closeLate closes the connections of n attempts whose context has ended.
func closeLate(results <-chan attempt, n int) {
	for range n {
		if a := <-results; a.conn != nil {
			a.conn.Close()
		}
	}
}

// joined joins the errors of several attempts, without duplicates.
func joined(errs []error) error {
	if len(errs) == 1 {
		return errs[0]
	}
	var kept []error
	seen := make(map[string]bool)
	for _, err := range errs {
		if !seen[err.Error()] {
			seen[err.Error()] = true
			kept = append(kept, err)
		}
	}
	if len(kept) == 1 {
		return kept[0]
	}
	return errors.Join(kept...)
}
