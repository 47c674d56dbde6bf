package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/smtp"
	"net/textproto"
	"slices"
	"time"
)

// mailWait is longer than any server of the lab takes for a decision.
const mailWait = 2 * time.Minute

// Send sends a mail from a host of the lab to a mail server. It returns the reply that refuses
// it, or nothing if it is accepted.
func (l *Lab) Send(ctx context.Context, host string, to *Host, mail Mail) (refusal string, err error) {
	m, err := l.machine(host)
	if err != nil {
		return "", err
	}
	var c net.Conn
	err = m.do(func() (err error) {
		c, err = mail.dial(ctx, to)
		return err
	})
	if err != nil {
		return "", err
	}
	return mail.deliver(c, to)
}

// Send sends a mail from the host that this process runs on, as Lab.Send does.
func (mail Mail) Send(ctx context.Context, to *Host) (refusal string, err error) {
	c, err := mail.dial(ctx, to)
	if err != nil {
		return "", err
	}
	return mail.deliver(c, to)
}

func (mail Mail) dial(ctx context.Context, to *Host) (net.Conn, error) {
	i := slices.IndexFunc(to.Addrs(), func(a netip.Addr) bool { return a.Is4() == mail.From.Is4() })
	if i < 0 {
		return nil, fmt.Errorf("%s has no address of the family of %v", to.Name, mail.From)
	}
	d := net.Dialer{LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(mail.From, 0))}
	return d.DialContext(ctx, "tcp", netip.AddrPortFrom(to.Addrs()[i], 25).String())
}

// deliver sends the mail over a connection, and closes it.
func (mail Mail) deliver(c net.Conn, to *Host) (refusal string, err error) {
	defer c.Close()
	c.SetDeadline(time.Now().Add(mailWait))
	err = mail.converse(c, to.Names[0].Name)
	var reply *textproto.Error
	if errors.As(err, &reply) {
		return fmt.Sprintf("%03d %s", reply.Code, reply.Msg), nil
	}
	return "", err
}

// converse sends the mail. A reply that refuses it is a textproto.Error.
func (mail Mail) converse(conn net.Conn, server string) error {
	c, err := smtp.NewClient(conn, server)
	if err != nil {
		return err
	}
	if err := c.Hello(mail.HELO); err != nil {
		return err
	}
	if err := c.Mail("postmaster@" + mail.MailFrom); err != nil {
		return err
	}
	if err := c.Rcpt("postmaster@receiver.example"); err != nil {
		return err
	}
	w, err := c.Data()
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "From: postmaster@%s\r\nTo: postmaster@receiver.example\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@%[1]s>\r\nSubject: test\r\n\r\ntest\r\n", mail.MailFrom)
	return w.Close()
}

// awaitMail waits until a mail server accepts connections.
func awaitMail(ctx context.Context, m *machine) error {
	for {
		c, err := net.DialTimeout("tcp", netip.AddrPortFrom(m.Addrs()[0], 25).String(), time.Second)
		if err == nil {
			return c.Close()
		}
		select {
		case <-m.procs[len(m.procs)-1].ended:
			return errors.New("it has ended")
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), err)
		case <-time.After(5 * time.Millisecond): // between two tries
		}
	}
}
