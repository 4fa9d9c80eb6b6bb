package subprocess

import "github.com/zmqio/zmq/zmqio/netio"

// A pipe is the protocol of a pipe to a child. It passes everything on to the child's protocol.
type pipe struct {
	netio.BaseProtocol
	t  *Transport
	fd int // the child's descriptor
}

func (p *pipe) DataReceived(data []byte) { p.t.Protocol().PipeDataReceived(p.fd, data) }
func (p *pipe) PauseWriting()            { p.t.Protocol().PauseWriting() }
func (p *pipe) ResumeWriting()           { p.t.Protocol().ResumeWriting() }

func (p *pipe) ConnectionLost(err error) {
	if p.t.residence == nil {
		return
	}
	defer func() { // runs even after a panic or runtime.Goexit
		p.t.open--
		p.t.endIfOver()
	}()
	p.t.Protocol().PipeConnectionLost(p.fd, err)
}
