package scenarios

import "strconv"

// The struct tags of this file are the whole description of the document: the
// walker, the JSON Schema and the axis paths are all read from them.
//
//	yaml     the key; ",inline" takes the keys of an embedded struct as one's own
//	doc      what an editor shows
//	enum     the values allowed, separated by commas (of each element of a list)
//	min, max the range allowed, both ends included, in the written form of the type
//	items    the least number of elements of a list
//	pattern  a name in patterns
//	required "true": the key must be written
//	axis     "no": belongs to the whole experiment, so that arms cannot differ in it

// Settings is what an experiment runs with: one origin or several, one edge, the
// link between them, and the viewers. Lists in it are never changed in place, so
// that copies may share them.
type Settings struct {
	Origin   Origin   `yaml:"origin" json:"origin" doc:"The origin server and the proofs it asks of whoever connects."`
	Origins  Origins  `yaml:"origins" json:"origins,omitempty" doc:"Several origins behind one edge, in place of the one: each with its own policy, client certificate, secret and pool. A request goes to the first whose match it meets; the last has none and takes the rest. An empty list leaves the one origin. Requests mode, on a direct link."`
	Edge     Edge     `yaml:"edge" json:"edge" doc:"The simulated CDN edge: how it connects, keeps connections and caches."`
	Link     Link     `yaml:"link" json:"link" doc:"The network between edge and origin."`
	Workload Workload `yaml:"workload" json:"workload" doc:"Who asks for what, how often, and for how long it is measured."`
}

// Origin is the server that the edge pulls from.
type Origin struct {
	Server       string `yaml:"server" json:"server" enum:"builtin,nginx,haproxy,apache,caddy,external" doc:"The server that plays the origin. builtin is originpull's own, a process of its own; nginx to caddy are this machine's, with a configuration of their own in a private folder (originpull list servers says which are here). external is one that runs somewhere, at url, for bypass experiments: docs/external.md."`
	Include      string `yaml:"include" json:"include,omitempty" doc:"A file of directives of your own for nginx (its server block), Apache httpd (its virtual host) or HAProxy (its frontend), relative to the scenario's folder. What originpull writes there itself a server refuses to read twice, or takes from originpull. Not for bypass experiments."`
	External     `yaml:",inline"`
	Certificate  Certificate `yaml:"certificate" json:"certificate" doc:"The server certificate of the origin; client certificates are of the same kind."`
	Strategies   []string    `yaml:"strategies" json:"strategies" enum:"allowlist,header,mtls" doc:"What the origin demands, all of it together: the edge's address (allowlist), a secret header (header), a client certificate (mtls). An empty list leaves the origin open."`
	MTLS         MTLS        `yaml:"mtls" json:"mtls" doc:"How the mtls strategy recognises the edge's certificate."`
	Header       Header      `yaml:"header" json:"header" doc:"The header of the header strategy."`
	Tickets      bool        `yaml:"tickets" json:"tickets" doc:"Whether the origin issues session tickets. Resumption needs it; it also adds bytes to every full handshake."`
	Response     Response    `yaml:"response" json:"response" doc:"What the origin answers to an allowed request."`
	IdleTimeout  Duration    `yaml:"idleTimeout" json:"idleTimeout,omitempty" min:"0s" max:"1h" doc:"How long the built-in origin keeps a connection on which nothing is asked, before it closes it: a request that the edge sends within a round trip of that is lost with the connection. 0s is 75 s."`
	Audit        string      `yaml:"audit" json:"audit" enum:"all,refused,off" doc:"What the origin writes to its audit log: every request and refusal, refusals only, or nothing."`
	RefusesAfter Duration    `yaml:"refusesAfter" json:"refusesAfter,omitempty" min:"0s" max:"1h" doc:"In the measured block, when the origin stops trusting the edge's certificate, as after a rotation that one side forgot; 0s never. Built-in origin with mtls, requests mode."`
	Plant        Plant       `yaml:"plant" json:"plant" doc:"A cost put on top of the origin's own on purpose, to see whether it is found."`
}

// Certificate is the kind of certificates in use.
type Certificate struct {
	Key   string   `yaml:"key" json:"key" enum:"ecdsa-p256,ecdsa-p384,rsa-2048,rsa-3072,ed25519" doc:"The key type of both ends and of their authorities, which sets the CPU price and the bytes of a handshake."`
	Chain int      `yaml:"chain" json:"chain" min:"1" max:"4" doc:"How many certificates are sent: the leaf and its intermediates; the root never is. 1 is a leaf directly under the root."`
	Bytes ByteSize `yaml:"bytes" json:"bytes" min:"0B" max:"64KiB" doc:"The size of what is sent, all certificates together, reached by padding the leaf; 0 leaves it as it comes. At least 1280 bytes for each certificate."`
}

// MTLS is how a client certificate is judged beyond its chain.
type MTLS struct {
	Pin        string `yaml:"pin" json:"pin" enum:"none,subject,san,leaf" doc:"What the certificate must be besides well signed: nothing more, the edge's subject, the edge's subject alternative name, or exactly the edge's leaf."`
	Revocation bool   `yaml:"revocation" json:"revocation" doc:"Whether the origin checks a revocation list. Some servers cannot (Debian's Caddy)."`
}

// Header is the header that carries the shared secret.
type Header struct {
	Name string `yaml:"name" json:"name" pattern:"token" doc:"The name of the header in which the edge sends the secret."`
}

// Response is what the origin answers.
type Response struct {
	Size         ByteSize `yaml:"size" json:"size" min:"0B" max:"64MiB" doc:"The size of the body."`
	Delay        Duration `yaml:"delay" json:"delay" min:"0s" max:"30s" doc:"How long the origin thinks before it answers."`
	Status       int      `yaml:"status" json:"status" min:"200" max:"599" doc:"The status code of an allowed request."`
	CacheControl string   `yaml:"cacheControl" json:"cacheControl" pattern:"line" doc:"The Cache-Control header of the answer; empty sends none."`

	Cacheable float64    `yaml:"cacheable" json:"cacheable" min:"0" max:"1" doc:"The share of objects that may be stored; the others have Cache-Control: no-store. Which object is which follows from its name alone. Built-in origin only, like lifetimes and sizes."`
	Lifetimes []Lifetime `yaml:"lifetimes" json:"lifetimes,omitempty" items:"1" doc:"Shares of the cacheable objects with a max-age of their own; the rest has cacheControl."`
	Sizes     Sizes      `yaml:"sizes" json:"sizes,omitzero" doc:"Log-normal sizes over the objects, in place of one size."`
}

// Lifetime is how long the answers of a share of the objects are fresh.
type Lifetime struct {
	Share  float64  `yaml:"share" json:"share" required:"true" min:"0" max:"1" doc:"The share of the objects that may be stored."`
	MaxAge Duration `yaml:"maxAge" json:"maxAge" required:"true" min:"0s" max:"87600h" doc:"Their max-age, in whole seconds."`
}

// String is the lifetime as arms show it.
func (l Lifetime) String() string {
	return strconv.FormatFloat(l.Share, 'g', -1, 64) + "-for-" + l.MaxAge.String()
}

// Sizes are the sizes of objects, by two of their quantiles.
type Sizes struct {
	Median ByteSize `yaml:"median" json:"median" min:"0B" max:"64MiB" doc:"Half of the objects are smaller; 0 gives all objects origin.response.size."`
	P90    ByteSize `yaml:"p90" json:"p90" min:"0B" max:"64MiB" doc:"Nine in ten objects are smaller."`
	Max    ByteSize `yaml:"max" json:"max" min:"0B" max:"64MiB" doc:"No object is larger; 0 is 64MiB."`
}

// Plant is a known cost that is put on top of an end's own: a check of the
// harness itself, no setting of anything that is measured.
type Plant struct {
	CPU float64 `yaml:"cpu" json:"cpu" min:"0" max:"1" doc:"The share of this end's CPU that it burns on top, 0.15 for 15 %: of that of a handshake net of plain TCP, or of a request. It changes no count, byte or round trip, and every report that has it says so. A check of the harness; builtin ends only."`
}

// Edge is the simulated CDN edge.
type Edge struct {
	TLS      TLS    `yaml:"tls" json:"tls" doc:"The TLS that the edge speaks to the origin."`
	Protocol string `yaml:"protocol" json:"protocol" enum:"h1,h2,h3" doc:"The HTTP version towards the origin. h2 carries several requests on a connection at once, as many as the origin allows, and needs TLS. h3 runs over QUIC, on the UDP port of the same number, and has no TLS 1.2."`
	Pool     Pool   `yaml:"pool" json:"pool" doc:"The edge's pool of connections to the origin."`
	Cache    Cache  `yaml:"cache" json:"cache" doc:"The edge's cache, one at every point of presence."`
	Pops     Pops   `yaml:"pops" json:"pops" min:"1" max:"1000" doc:"How many points of presence there are, each with a cache and pools of its own. Viewers are spread evenly over them. Or a list of them, each with a name and an rtt of its own: [{name: fra, rtt: 8ms}]."`
	Servers  int    `yaml:"servers" json:"servers" min:"1" max:"100" doc:"The servers of one point of presence, over which its viewers are spread evenly."`
	Workers  int    `yaml:"workers" json:"workers" min:"0" max:"1000" doc:"The worker processes of one point of presence, spread over its servers as evenly as it goes; 0 is one for each server. They matter for edge.pool.scope: worker."`
	Shield   Shield `yaml:"shield" json:"shield" doc:"A tier between the points of presence and the origin, the only one that dials the origin."`
	Plant    Plant  `yaml:"plant" json:"plant" doc:"A cost put on top of the edge's own on purpose, to see whether it is found."`

	Preset   string   `yaml:"preset" json:"preset" pattern:"name" doc:"A CDN whose documented behaviour fills what the scenario does not set itself, wherever the preset is named: originpull list presets --verbose has every value with its source. none leaves the defaults."`
	Identity string   `yaml:"identity" json:"identity" enum:"own,global,zone,hostname" doc:"Whose client certificate the edge shows: its own, the one that all customers of the CDN share (global), or one that this customer uploaded for a zone or for a hostname."`
	Refuses  []string `yaml:"refuses" json:"refuses" enum:"grpc,websocket" doc:"The kinds of requests that the edge refuses when it has a client certificate for the origin. Viewers of a workload make none of them."`
	Retry    Retry    `yaml:"retry" json:"retry" doc:"How often the edge tries the origin after a failed connect, a failed handshake or no response in time, and for how long. A reused connection that had ended is none of these: see edge.pool.retries."`
	Status   Status   `yaml:"status" json:"status" doc:"What a viewer is told when a pull fails, by the phase in which it did; 0 where nobody documents it."`
}

// Shield is the tier between points of presence and the origin.
type Shield struct {
	Enabled  bool     `yaml:"enabled" json:"enabled" doc:"Whether there is a shield."`
	Capacity ByteSize `yaml:"capacity" json:"capacity" min:"0B" max:"16GiB" doc:"The bytes that the shield's own cache may hold; 0 gives it none, so that it only brings the pools together. What else the cache goes by is that of edge.cache."`
	Age      bool     `yaml:"age" json:"age" doc:"Whether the shield says how old its answers are (Age, Date), so that they are no longer fresh at the points of presence than at the shield. false makes them look new at every tier, as a CDN does that drops these fields."`
}

// TLS is a TLS configuration in which everything that changes a measurement
// is pinned.
type TLS struct {
	Version    string `yaml:"version" json:"version" enum:"1.2,1.3" doc:"The TLS version, the only one offered. A string: put it in quotes."`
	Group      string `yaml:"group" json:"group" enum:"x25519,p256,x25519mlkem768" doc:"The key-exchange group, pinned, because it changes bytes and CPU. x25519mlkem768 is post-quantum and exists only in TLS 1.3."`
	Resumption bool   `yaml:"resumption" json:"resumption" doc:"Whether the edge keeps session tickets and resumes. In handshakes mode the warm-up earns the ticket, and everything measured is resumed."`
	HelloRetry bool   `yaml:"helloRetry" json:"helloRetry" doc:"Whether the origin is made to ask for another key share (HelloRetryRequest), which costs a round trip. Needs TLS 1.3 and the group p256."`
	Early      bool   `yaml:"early" json:"early" doc:"Whether a resumed h3 connection sends its first request in 0-RTT, before the handshake. Whoever records such a request can send it again."`
	Verify     bool   `yaml:"verify" json:"verify" doc:"Whether the edge checks the origin's certificate: its chain, its dates and its name. false takes any."`
	Unasked    string `yaml:"unasked" json:"unasked" enum:"continue,fail" doc:"What an edge with a client certificate does when the origin does not ask for it: continue with plain server-auth, or fail before any request is sent."`
}

// Pool is the edge's pool of origin connections.
type Pool struct {
	Kind           string   `yaml:"kind" json:"kind,omitempty" enum:"own,nethttp" doc:"Whose pool it is: originpull's own, or for comparison that of Go's http.Transport, which is what a proxy written in Go has. nethttp speaks h1 only, has settings for reuse, idleTimeout, maxConnections, maxIdle and scope, and decides by itself what it sends again."`
	MaxIdle        int      `yaml:"maxIdle" json:"maxIdle,omitempty" min:"0" max:"10000" doc:"How many idle connections the nethttp pool keeps (MaxIdleConnsPerHost); 0 is its default, 2. The own pool keeps all."`
	Reuse          bool     `yaml:"reuse" json:"reuse" doc:"Whether a connection is kept for the next request. false opens one per request."`
	IdleTimeout    Duration `yaml:"idleTimeout" json:"idleTimeout" min:"0s" max:"1h" doc:"How long an unused connection is kept; 0s keeps it until the origin closes it."`
	MaxConnections int      `yaml:"maxConnections" json:"maxConnections" min:"0" max:"10000" doc:"The most connections open at once; further requests wait their turn. 0 sets no limit."`
	Scope          string   `yaml:"scope" json:"scope" enum:"worker,server,site" doc:"Who shares one pool: nobody (each worker has its own), the workers of a server, or a whole point of presence."`
	MaxAge         Duration `yaml:"maxAge" json:"maxAge" min:"0s" max:"24h" doc:"How old a connection may be and still take a request; 0s sets no limit. An older one is closed while it idles, or after the request that it carries."`
	MaxUses        int      `yaml:"maxUses" json:"maxUses" min:"0" max:"1000000" doc:"The most requests on one connection; 0 sets no limit."`
	Order          string   `yaml:"order" json:"order" enum:"lifo,fifo" doc:"Which idle connection is used next: lifo is the one used last, so that those not needed expire; fifo is the one idle longest, so that all stay in use."`
	Prewarm        int      `yaml:"prewarm" json:"prewarm" min:"0" max:"10000" doc:"How many connections the edge makes before the first request. Not in handshakes mode."`
	MaxWaiting     int      `yaml:"maxWaiting" json:"maxWaiting" min:"0" max:"1000000" doc:"The most requests that wait at maxConnections; one more fails at once. 0 sets no limit."`
	WaitTimeout    Duration `yaml:"waitTimeout" json:"waitTimeout" min:"0s" max:"1h" doc:"How long a request waits at maxConnections before it fails; 0s lets it wait as long as its viewer does."`
	Retries        Retries  `yaml:"retries" json:"retries" doc:"When a request is sent again because its reused connection had ended: the race that a pool loses. What an edge tries again after any other failure is edge.retry."`
	Circuit        Circuit  `yaml:"circuit" json:"circuit" doc:"When the edge stops dialling an origin that cannot be reached."`
}

// Retries is when a request is sent to the origin again.
type Retries struct {
	Attempts int    `yaml:"attempts" json:"attempts" min:"1" max:"10" doc:"How often a request is sent in all, each time on a connection of the pool that had ended. 1 never sends it again."`
	Methods  string `yaml:"methods" json:"methods" enum:"idempotent,get,none" doc:"What is sent again when a reused connection ends without one byte of an answer: requests whose method is idempotent (RFC 9110), GET and HEAD only, or none. Anything else fails, with 502 to the viewer."`
}

// Circuit is when dialling stops for a while.
type Circuit struct {
	Failures int      `yaml:"failures" json:"failures" min:"0" max:"1000" doc:"How many dials in a row must fail, at TCP connect or handshake, before none is made for a while; 0 never stops."`
	Open     Duration `yaml:"open" json:"open" min:"1ms" max:"1h" doc:"How long no dial is made; then one is, and decides."`
}

// Cache is the edge's cache.
type Cache struct {
	Capacity ByteSize `yaml:"capacity" json:"capacity" min:"0B" max:"16GiB" doc:"The bytes that the cache may hold, keys and headers included; 0 switches it off."`
	Policy   string   `yaml:"policy" json:"policy" enum:"fifo,lru,otter,s3fifo,sieve" doc:"Which entry makes room for a new one. otter is W-TinyLFU of a library, which differs a little from run to run; the others do not."`

	MaxObject    ByteSize `yaml:"maxObject" json:"maxObject" min:"0B" max:"16GiB" doc:"The largest response that is stored; 0 is the capacity."`
	Heuristic    float64  `yaml:"heuristic" json:"heuristic" min:"0" max:"1" doc:"The part of the time since Last-Modified for which a response without a word on freshness is fresh, at most a day (RFC 9111, 4.2.2): 0.1 is usual, 0 never."`
	Negative     Duration `yaml:"negative" json:"negative" min:"0s" max:"24h" doc:"How long an error (404, 405, 410, 414, 500 to 504) without a word on freshness is kept; 0s not at all."`
	StaleIfError Duration `yaml:"staleIfError" json:"staleIfError" min:"0s" max:"8760h" doc:"How long past its freshness a stored response stands in for an origin that fails, where it does not say so itself; 0s not at all. A response says so with stale-if-error in origin.response.cacheControl."`
}

// Retry is the edge's patience with an origin.
type Retry struct {
	Attempts        int      `yaml:"attempts" json:"attempts" min:"1" max:"10" doc:"How often a pull is tried at most. 1 tries once."`
	On              []string `yaml:"on" json:"on" enum:"connect,handshake,response" doc:"Which failures are tried again: of the TCP connect, of the TLS handshake, or, of a GET or HEAD, a response that did not come in time."`
	ConnectTimeout  Duration `yaml:"connectTimeout" json:"connectTimeout" min:"1ms" max:"10m" doc:"How long one attempt waits for the TCP connect."`
	ResponseTimeout Duration `yaml:"responseTimeout" json:"responseTimeout" min:"1ms" max:"10m" doc:"How long one attempt waits from sending the request to the end of the response."`
	Budget          Duration `yaml:"budget" json:"budget" min:"0s" max:"1h" doc:"No attempt begins later than this after the first, and one that makes no connection by then ends; 0s sets no limit."`
}

// Status is the status code for each phase in which a pull can fail.
type Status struct {
	Wait      int `yaml:"wait" json:"wait" min:"0" max:"599" doc:"No connection of the pool became free."`
	Refused   int `yaml:"refused" json:"refused" min:"0" max:"599" doc:"The origin refused the TCP connect."`
	Timeout   int `yaml:"timeout" json:"timeout" min:"0" max:"599" doc:"The TCP connect took too long."`
	Verify    int `yaml:"verify" json:"verify" min:"0" max:"599" doc:"The edge refused the origin's certificate."`
	Alert     int `yaml:"alert" json:"alert" min:"0" max:"599" doc:"The TLS handshake failed otherwise, as when the origin refuses the edge's certificate."`
	Response  int `yaml:"response" json:"response" min:"0" max:"599" doc:"The response took too long."`
	Truncated int `yaml:"truncated" json:"truncated" min:"0" max:"599" doc:"The connection ended before the response did, or brought something else."`
	Barred    int `yaml:"barred" json:"barred" min:"0" max:"599" doc:"The edge refused the request (edge.refuses)."`
}

// Link is the network between edge and origin.
type Link struct {
	Kind   string    `yaml:"kind" json:"kind" enum:"direct,netstack,model,tun" doc:"What carries the packets. direct is the loopback interface of this machine, with nothing added. netstack is a distance between two TCP stacks inside originpull; model is a byte stream in memory with slow start, h1 and h2 only; tun is a distance between two of the kernel's own network namespaces (Linux, as root), the only one with real servers at its end. Not given: netstack as soon as anything else of the link is, else direct."`
	RTT    Duration  `yaml:"rtt" json:"rtt,omitempty" min:"0s" max:"10s" doc:"The round-trip time, half of it each way. On a link with a distance arms report latency and round trips, and no CPU."`
	Jitter Duration  `yaml:"jitter" json:"jitter,omitempty" min:"0s" max:"5s" doc:"By how much the one-way time of a packet differs at most; packets of one connection stay in order."`
	Loss   float64   `yaml:"loss" json:"loss,omitempty" min:"0" max:"0.5" doc:"The share of packets that are lost, each way: 0.005 for 0.5 %."`
	Rate   Bandwidth `yaml:"rate" json:"rate,omitempty" min:"8kbit/s" max:"1Gbit/s" doc:"The bits per second that pass, each way, for example 100Mbit/s; no emulated link carries more than 1Gbit/s. Not given: no limit."`
	Queue  ByteSize  `yaml:"queue" json:"queue,omitempty" min:"0B" max:"1GiB" doc:"The bytes that wait for the rate; more are dropped. 0 is what passes in one round trip, at least 64KiB."`
	MTU    int       `yaml:"mtu" json:"mtu,omitempty" min:"0" max:"65535" doc:"The size of the largest packet, in bytes, from 1280; 0 is 1500."`
	Seed   uint64    `yaml:"seed" json:"seed,omitempty" doc:"The seed of loss and jitter; 0 takes that of the trial."`
}

// Workload is what the viewers do, and how long they are watched.
type Workload struct {
	Mode           string   `yaml:"mode" json:"mode" axis:"no" enum:"handshakes,requests" doc:"handshakes: connect, shake hands, make one small request, close. requests: viewers ask the edge, through cache and pool. handshakes goes by concurrency and arrivals, and refuses what it cannot honour: reuse, cache, objects, size and delay of the answer."`
	Method         string   `yaml:"method" json:"method,omitempty" enum:"GET,HEAD,POST,PUT,PATCH,DELETE" doc:"The method of every request, which says whether it may be sent twice: POST and PATCH may not. None has a body. Other than GET in requests mode only, other than GET and HEAD at the built-in origin only."`
	Concurrency    int      `yaml:"concurrency" json:"concurrency" min:"1" max:"10000" doc:"How many viewers ask at once when arrivals are closed; in handshakes mode, how many connections are made at once."`
	Arrivals       Arrivals `yaml:"arrivals" json:"arrivals" doc:"When requests come."`
	Objects        Objects  `yaml:"objects" json:"objects" doc:"What requests ask for."`
	Duration       Duration `yaml:"duration" json:"duration" axis:"no" min:"10ms" max:"1h" doc:"The measured time: of the whole experiment where arms take short turns (handshakes mode with closed arrivals), else of each arm in each trial. With find, find.step takes its place."`
	Warmup         Duration `yaml:"warmup" json:"warmup" axis:"no" min:"0s" max:"10m" doc:"Time before the measurement whose results are thrown away."`
	Trials         int      `yaml:"trials" json:"trials" axis:"no" min:"1" max:"1000" doc:"How often everything is started afresh; the trial is the unit of every statistic. Not given: 8 in handshakes mode with closed arrivals, else 1."`
	Pairs          int      `yaml:"pairs" json:"pairs" axis:"no" min:"0" max:"100000" doc:"In handshakes mode with closed arrivals, how many blocks every arm gets, all trials together, in place of the duration; 0 goes by the duration. A pair is one block of each of two arms in the same round."`
	Requests       int      `yaml:"requests" json:"requests,omitempty" axis:"no" min:"0" max:"100000000" doc:"How many requests are measured, one after another, in place of a time: what is counted then comes out the same in every run of a seed. An arm that has not made them after workload.duration fails. Requests mode with closed arrivals and one viewer."`
	WarmupRequests int      `yaml:"warmupRequests" json:"warmupRequests,omitempty" axis:"no" min:"0" max:"100000000" doc:"With requests, how many are made before the measured ones, in place of workload.warmup."`
	Realtime       bool     `yaml:"realtime" json:"realtime,omitempty" axis:"no" doc:"Whether the edge's process gets real-time scheduling (SCHED_FIFO, on Linux) where that is permitted and its load is paced, so that neighbours on this machine do not delay the generator; on a link with a distance, a high priority in its place, so that they do not delay packets. The result says whether it was given."`
	Controls       bool     `yaml:"controls" json:"controls" axis:"no" doc:"Whether the plain-TCP baseline and the A/A double are measured beside the arms. Without them an experiment in requests mode reports counts, shares and times, and no CPU; handshakes mode needs them."`
	Find           Find     `yaml:"find" json:"find,omitzero" doc:"Search for the highest arrival rate that keeps an objective, in place of measuring at one rate. Arrivals are open (constant or poisson) without a rate of their own; no CPU per request is reported."`
	Block          Duration `yaml:"block" json:"block" axis:"no" min:"5ms" max:"25ms" doc:"In handshakes mode with closed arrivals, the slice of time that one arm gets before the next one's turn. Arms that are paced get one long turn, because a short one cannot hold a schedule."`
}

// Arrivals is the process by which requests come.
type Arrivals struct {
	Model  string  `yaml:"model" json:"model" enum:"closed,constant,poisson,stages,trace" doc:"closed: each viewer asks again when it is answered. constant and poisson: requests come at a rate, however slow the answers are. stages: at a rate that steps and ramps. trace: at the times of workload.objects.trace; an embedded trace has none, and comes at a rate by a Poisson process."`
	Rate   Rate    `yaml:"rate" json:"rate" min:"0.01/s" max:"100000/s" doc:"The arrival rate of the constant and poisson models, and of an embedded trace, for example 500/s."`
	Speed  float64 `yaml:"speed" json:"speed,omitempty" min:"0.001" max:"10000" doc:"How much faster than it was the times of a trace file are replayed: 10 replays ten minutes in one. Not given: 1."`
	Stages []Stage `yaml:"stages" json:"stages,omitempty" items:"1" doc:"The stages of the stages model, one after the other; together they last as long as workload.duration."`
}

// Stage is a while with a rate of its own: a step to Rate, or a ramp from
// where the one before ended, 0 at first, to To. Arrivals in it are evenly spaced.
type Stage struct {
	Rate Rate     `yaml:"rate" json:"rate,omitempty" min:"0.01/s" max:"100000/s" doc:"The rate of the whole stage."`
	To   Rate     `yaml:"to" json:"to,omitempty" min:"0.01/s" max:"100000/s" doc:"The rate at the end of the stage, reached in a straight line."`
	For  Duration `yaml:"for" json:"for" required:"true" min:"1ms" max:"1h" doc:"How long the stage lasts."`
}

// String is the stage as arms show it.
func (s Stage) String() string {
	if s.Rate > 0 {
		return s.Rate.String() + "-for-" + s.For.String()
	}
	return "to-" + s.To.String() + "-for-" + s.For.String()
}

// Objects is the choice of object keys.
type Objects struct {
	Model  string  `yaml:"model" json:"model" enum:"one,zipf,mix,trace" doc:"one: always the same object. zipf: the k-th most popular of count objects is asked for in proportion to 1/k^alpha. mix: with the probability hits one and the same object, else one never asked for before. trace: the keys of a request trace, in order."`
	Alpha  float64 `yaml:"alpha" json:"alpha" min:"0" max:"5" doc:"The skew of zipf; 0 makes all objects equally popular."`
	Count  int     `yaml:"count" json:"count" min:"1" max:"10000000" doc:"How many objects zipf draws from."`
	OneHit float64 `yaml:"oneHit" json:"oneHit" min:"0" max:"1" doc:"The share of zipf's requests that are for objects which nobody asks for again, each a new one."`
	Hits   float64 `yaml:"hits" json:"hits" min:"0" max:"1" doc:"The share of requests of the mix model that are for the one object that is always there: the hit ratio of a warm cache."`
	Trace  string  `yaml:"trace" json:"trace" pattern:"line" doc:"The trace of the trace model. web07, web12: 76,118 and 95,607 requests to an e-commerce product page, in July and December 2013. Or a file of your own, by its path from the scenario's: one request a line, its time (seconds, or RFC 3339) and the key of its object, with a comma or a space between."`
}

// Experiment is one question: arms that are measured together, or a set of
// attempts to bypass the edge. Its Settings are resolved: defaults, scenario,
// experiment and --set, everything but the axes.
type Experiment struct {
	Name     string `yaml:"name" required:"true" pattern:"name" doc:"The name of the experiment, the first part of the names of its arms."`
	Settings `yaml:",inline"`
	Compare  []Axis  `yaml:"compare" items:"1" doc:"The axes; the arms are every combination of their values."`
	Bypass   *Bypass `yaml:"bypass" doc:"Attempts to pull from the origin without being the edge, in place of a workload."`
	Expect   []Rule  `yaml:"expect" doc:"What must hold in every arm that the selector matches; else the run fails."`
	Claims   []Claim `yaml:"claims" items:"1" doc:"What others say about this question; each is printed beside what was measured here."`
	Index    int     `yaml:"-"` // position in Scenario.Experiments

	prefix string // path of the experiment in the document: "experiments[0]", or "" when it is unnamed
	cells  []Cell
}

// Bypass is the work of a bypass experiment.
type Bypass struct {
	Cases      []string `yaml:"cases" json:"cases" required:"true" items:"1" pattern:"name" doc:"The attempts to make, by their short names, for example A01."`
	Strategies []string `yaml:"strategies" json:"strategies" items:"1" enum:"allowlist,header,mtls,mtls-ca,mtls-leaf,mtls-shared,alb-verify,nlb-verify,allowlist+header,allowlist+mtls,header+mtls,allowlist+header+mtls" doc:"The origin's strategies and combinations to try each case against, one at a time; mtls pins the edge's name, mtls-ca nothing, mtls-leaf one certificate, with mtls-shared the CDN shows one certificate for all of its customers, and alb-verify and nlb-verify are front doors of AWS before an application (originpull list profiles)."`
	Servers    []string `yaml:"servers" json:"servers" items:"1" enum:"builtin,apache,caddy,haproxy,nginx" doc:"The origins to try each case on: the built-in one, and real servers where they are installed. On these a case meets the strategies that it is about."`
	TLS        []string `yaml:"tls" json:"tls" items:"1" enum:"1.2,1.3" doc:"The TLS versions to try each case with. Strings: put them in quotes."`
}

// Axis is one thing in which the arms of an experiment differ.
type Axis struct {
	// Name is the path of a setting, such as edge.tls.version, or a name of
	// one's own whose values set several paths together.
	Name   string      `yaml:"axis" required:"true" doc:"The path of a setting, such as edge.tls.version, or a name of your own when every value has a name."`
	Values []AxisValue `yaml:"values" required:"true" items:"1" doc:"The values: of the setting itself, or {name, set} each."`
}

// Rule is one expectation, not yet parsed: the grammar is that of results.
type Rule struct {
	Text string
	Path string // where it stands, for Scenario.Position: experiments[0].expect[1]
}

// Claim is what somebody says, and the measurement that would bear it out. It
// never fails a run: what was measured is printed beside it.
type Claim struct {
	Text    string `yaml:"text" required:"true" pattern:"line" doc:"The claim, in the words of whoever makes it or close to them."`
	Source  string `yaml:"source" required:"true" pattern:"line" doc:"Who says so, and where."`
	Measure string `yaml:"measure" required:"true" doc:"The expectation that holds where the claim does, for example a ratio of two arms' metrics that is below 1."`
	Path    string `yaml:"-"` // where it stands, for Scenario.Position: experiments[0].claims[1]
}

// GateRule says how much worse a gate lets one metric become. What is not
// written is the default of the metric. The grammar is that of results.
type GateRule struct {
	Metric    string `yaml:"metric" required:"true" pattern:"line" doc:"The metric, with selectors where it is not of every arm, for example handshake.cpu.origin{auth=mtls}."`
	Margin    string `yaml:"margin" pattern:"line" doc:"Worse by no more than this share is never a regression, for example 1%."`
	Tolerance string `yaml:"tolerance" pattern:"line" doc:"A pass is shown to be worse by less than this share, for example 5%."`
	Direction string `yaml:"direction" enum:"lower,higher" doc:"Which direction is better, where that is not the metric's own."`
	Severity  string `yaml:"severity" enum:"block,report" doc:"block: a regression fails the gate. report: it is only shown, which is also how a change of something exact is explained."`
	Path      string `yaml:"-"` // where it stands, for Scenario.Position: gate[1]
}

// document is the file as written, over the defaults.
type document struct {
	Version     int    `yaml:"version" required:"true" doc:"The version of this document format: 1."`
	Name        string `yaml:"name" pattern:"name" doc:"The name of the scenario; by default the file's name without its ending."`
	Title       string `yaml:"title" pattern:"line" doc:"One sentence that says which question the scenario answers."`
	Seed        uint64 `yaml:"seed" doc:"The seed of every random choice. The same seed repeats the same arrivals and objects."`
	Settings    `yaml:",inline"`
	Compare     []Axis       `yaml:"compare" items:"1" doc:"The axes of a scenario that has no experiments."`
	Bypass      *Bypass      `yaml:"bypass" doc:"The attempts of a scenario that has no experiments."`
	Experiments []Experiment `yaml:"experiments" items:"1" doc:"The experiments; each overlays the settings of the top level."`
	Expect      []Rule       `yaml:"expect" doc:"What must hold in the whole run; else it fails."`
	Gate        []GateRule   `yaml:"gate" items:"1" doc:"How much worse originpull gate lets a metric become, where that is not the default."`
	Claims      []Claim      `yaml:"claims" items:"1" doc:"What others say about the question; each is printed beside what was measured here."`
}

// newDocument returns a document with every default written out, but for the
// number of trials, which depends on the mode.
func newDocument() *document {
	return &document{Seed: 1, Settings: Settings{
		Origin: Origin{
			Server:      "builtin",
			Certificate: Certificate{Key: "ecdsa-p256", Chain: 1},
			Strategies:  []string{"mtls"},
			MTLS:        MTLS{Pin: "san", Revocation: true},
			Header:      Header{Name: "X-Origin-Verify"},
			Tickets:     true,
			Response:    Response{Size: 1 << 10, Status: 200, CacheControl: "max-age=60", Cacheable: 1},
			Audit:       "all",
		},
		Edge: Edge{
			TLS:      TLS{Version: "1.3", Group: "x25519", Verify: true, Unasked: "continue"},
			Protocol: "h1",
			Pops:     Pops{Count: 1}, Servers: 1,

			Preset:   NoPreset,
			Identity: "own",
			Refuses:  []string{},
			Retry:    Retry{Attempts: 1, On: []string{"connect"}, ConnectTimeout: 5e9, ResponseTimeout: 30e9},
			Pool: Pool{
				Kind: "own", Reuse: true, IdleTimeout: 5e9, MaxConnections: 64, Order: "lifo", Scope: "worker",
				Retries: Retries{Attempts: 2, Methods: "idempotent"},
				Circuit: Circuit{Open: 10e9},
			},
			Cache:  Cache{Policy: "lru"},
			Shield: Shield{Age: true},
		},
		Workload: Workload{
			Mode:        "requests",
			Method:      "GET",
			Concurrency: 1,
			Arrivals:    Arrivals{Model: "closed"},
			Objects:     Objects{Model: "zipf", Alpha: 0.9, Count: 10000},
			Duration:    5e9, Warmup: 3e8, Block: 15e6, Controls: true,
		},
	}}
}

// Defaults returns what every setting is when nobody says otherwise.
func Defaults() Settings {
	s := newDocument().Settings
	s.settleLink()
	settleTrials(&s, s.Workload.Arrivals.Open())
	return s
}

// newBypass returns the defaults of a bypass experiment.
func newBypass() *Bypass {
	return &Bypass{Strategies: []string{"allowlist", "header", "mtls"}, Servers: []string{"builtin"}, TLS: []string{"1.2", "1.3"}}
}
