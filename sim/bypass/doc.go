// Package bypass tries to pull from an origin without being its edge, and
// says before every try whether it will work.
//
// The pipeline:
//
//  1. [Rows] turns a [Plan] (servers × cases × strategies × correct and
//     controls × TLS version) into predicted rows. Nothing runs; the rows can be
//     printed. On a real server a case meets the strategies that it is about, if
//     its control is written for that server; the server's limits are in the
//     prediction.
//  2. [Runner.Run] starts one origin per distinct policy, through the
//     caller's [Starter], and hands it the certificates and secrets of a
//     [Material].
//  3. For every row it makes a legitimate pull through an [edge.Edge], runs
//     the [Attempt] with a [Lab] as its only tool, and makes a legitimate
//     pull again.
//  4. The measured verdict is decided by response bytes, the reason by the
//     origin's own audit log, and both are held against the prediction.
//
// Prediction: an attempt holds proofs, a policy requires proofs on a path,
// and the attempt gets through exactly when none of the required ones is
// missing. A control is a correct policy with one named [origin.Mistake]: it
// must let the attempt through, or the row proves nothing.
//
// Invariants:
//
//   - An attempt counts as bypassed only when the protected answer came back
//     (status 200 and [origin.ProofHeader] saying protected). A finished handshake means
//     nothing: TLS 1.3 rejects a client certificate at the first read.
//   - A timeout is never a refusal. It makes the row not-run and not ok. Only
//     over QUIC, where a guarded origin says nothing, does silence count: when
//     the origin's audit log names the very address that it dropped.
//   - A row is ok only when the measured verdict is the predicted one, the
//     legitimate edge succeeded before and after, and every refused step was
//     refused for a proof that the attempt lacks.
//   - [Evidence] is kept of what a correct policy let through against the
//     prediction, without the lab's secrets and keys, and of nothing else.
//   - A case that cannot be made is listed with its reason, and a row that
//     cannot is skipped with its own; neither counts as passed.
//   - Family F is bounded in count and time. Its verdict is on who got in and on
//     what the origin still holds; what it measures beside ([Price]) decides
//     nothing. Goodput is measured under correct policies alone.
//   - Family R draws its attempts from a seed. No subset of what is drawn holds
//     what a correct policy asks for, so that an attempt that gets through can be
//     shrunk to the smallest one that does.
//   - Family E meets the edge and no origin: its controls are faults of an edge.
//   - A real server's log may not name a refused peer: what it says must fit, and
//     the pulls before and after show that the server was there.
//   - Attackers and edges are told apart by loopback source addresses, so
//     the package needs a system that answers on all of 127.0.0.0/8 (Linux,
//     Windows; macOS only after adding aliases).
//
// Adding a case is one Attempt in the file of its family; adding a family is
// one file.
package bypass
