package cache

import "math"

// The closed forms that simulations and measurements are laid beside. Rates
// are requests per unit of time of each object; times are in the same unit,
// capacities in objects. Requests are independent and Poisson throughout.

// CharacteristicTime is the time T after which an LRU cache of capacity
// objects lets go of what is not asked for: the solution of
// sum(1-exp(-rate*T)) = capacity (Che, Tung and Wang 2002). It is infinite
// when everything fits.
func CharacteristicTime(rates []float64, capacity float64) float64 {
	return solve(rates, capacity, present)
}

// present is the chance of a request within x mean gaps.
func present(x float64) float64 { return -math.Expm1(-x) }

// renewed is the chance to be within a period that a request began and that
// lasts x mean gaps: TTL caches, and FIFO by its characteristic time.
func renewed(x float64) float64 {
	if math.IsInf(x, 1) {
		return 1
	}
	return x / (1 + x)
}

// solve finds T with sum(share(rate*T)) = capacity by bisection.
func solve(rates []float64, capacity float64, share func(float64) float64) float64 {
	filled := func(t float64) float64 {
		sum := 0.0
		for _, rate := range rates {
			sum += share(rate * t)
		}
		return sum
	}
	if capacity >= float64(len(rates)) {
		return math.Inf(1)
	}
	low, high := 0.0, 1.0
	for filled(high) < capacity {
		low, high = high, 2*high
		if math.IsInf(high, 1) { // objects that nobody asks for
			return high
		}
	}
	for range 100 {
		if middle := (low + high) / 2; filled(middle) < capacity {
			low = middle
		} else {
			high = middle
		}
	}
	return high
}

// mean is the mean of value over requests.
func mean(rates []float64, value func(rate float64) float64) float64 {
	total, sum := 0.0, 0.0
	for _, rate := range rates {
		total += rate
		if rate > 0 {
			sum += rate * value(rate)
		}
	}
	if total == 0 {
		return 0
	}
	return sum / total
}

// HitLRU is the hit ratio of an LRU cache (Che's approximation; Fricker,
// Robert and Roberts 2012).
func HitLRU(rates []float64, capacity float64) float64 {
	t := CharacteristicTime(rates, capacity)
	return mean(rates, func(rate float64) float64 { return present(rate * t) })
}

// HitFIFO is the hit ratio of a FIFO cache (Garetto, Leonardi and Martina
// 2016).
func HitFIFO(rates []float64, capacity float64) float64 {
	t := solve(rates, capacity, renewed)
	return mean(rates, func(rate float64) float64 { return renewed(rate * t) })
}

// HitTTL is the share of requests that a cache without bound answers fresh,
// when every answer is fresh for ttl.
func HitTTL(rates []float64, ttl float64) float64 {
	return mean(rates, func(rate float64) float64 { return renewed(rate * ttl) })
}

// HitLRUTTL is what an LRU cache answers fresh, and what it has stale and
// revalidates, as shares of all requests.
func HitLRUTTL(rates []float64, capacity, ttl float64) (fresh, revalidated float64) {
	t := CharacteristicTime(rates, capacity)
	fresh = mean(rates, func(rate float64) float64 { return freshWithin(rate, t, ttl) })
	there := mean(rates, func(rate float64) float64 { return present(rate * t) })
	return fresh, there - fresh
}

// freshWithin is the share of one object's requests that find it fresh. With
// M(t) the mean number of requests within t of a fetch before the first gap
// longer than T, that is M(ttl)/(1+M(ttl)), and
//
//	M(t) = F(min(t,T)) + integral from 0 to min(t,T) of M(t-x) rate exp(-rate x) dx
//
// with F(x) = 1-exp(-rate x). Its derivative needs no integral: G = 1+M grows
// at rate until T, and from there on at rate*(1-exp(-rate T)G(t-T)), which is
// followed in steps of a part of T.
func freshWithin(rate, t, ttl float64) float64 {
	if ttl <= t {
		return renewed(rate * ttl)
	}
	const (
		perT = 64
		many = 1000 // characteristic times after which the time to live hardly counts
	)
	if ttl > many*t {
		return present(rate * t)
	}
	lost := math.Exp(-rate * t)
	step := t / perT
	past := make([]float64, perT+1) // G over the last T, as a ring
	for i := range past {
		past[i] = 1 + rate*step*float64(i)
	}
	// Index 0 is T ago, index perT is now.
	steps := (ttl - t) / step
	whole := int(steps)
	now := past[perT]
	at := 0
	for range whole {
		next := (at + 1) % (perT + 1)
		now += rate * step * (1 - lost*(past[at]+past[next])/2)
		past[at] = now
		at = next
	}
	now += rate * step * (steps - float64(whole)) * (1 - lost*past[at])
	return (now - 1) / now
}

// OriginShare is the share of requests that reach the origin from points of
// presence that share them evenly, have room for everything, and keep each
// answer for ttl. With a shield whose Age they honour, the number of points
// does not matter.
func OriginShare(rates []float64, ttl float64, points int, shield bool) float64 {
	if shield {
		points = 1
	}
	return 1 - HitTTL(rates, ttl/float64(points))
}

// HitTTLShield is the share of requests that points of presence answer fresh
// when a shield with room for everything is behind them and they honour its
// Age, so that all copies of an answer end together, ttl after it was fetched.
// In that time an object's 1+rate*ttl requests begin with one that is fetched,
// and the first one at each other point finds it at the shield only.
func HitTTLShield(rates []float64, ttl float64, points int) float64 {
	others := float64(points - 1)
	return mean(rates, func(rate float64) float64 {
		return (rate*ttl - others*present(rate*ttl/float64(points))) / (1 + rate*ttl)
	})
}

// OriginShareShieldLRU is the share of requests that reach the origin from
// points of presence with LRU caches of capacity objects each, through a
// shield with one of shieldCapacity. What the points miss is taken to be
// Poisson at the shield.
func OriginShareShieldLRU(rates []float64, capacity, shieldCapacity float64) float64 {
	t := CharacteristicTime(rates, capacity)
	missed := make([]float64, len(rates))
	for i, rate := range rates {
		missed[i] = rate * math.Exp(-rate*t)
	}
	edge := mean(rates, func(rate float64) float64 { return present(rate * t) })
	return (1 - edge) * (1 - HitLRU(missed, shieldCapacity))
}

// FetchShare is the share of requests that are fetched when an answer takes
// delay to come and is then fresh for ttl. Without collapsing, who asks in the
// meantime fetches too; that form holds while delay is far below ttl.
func FetchShare(rates []float64, ttl, delay float64, collapse bool) float64 {
	return mean(rates, func(rate float64) float64 {
		fetches := 1.0
		if !collapse {
			fetches += rate * delay
		}
		return fetches / (1 + rate*(ttl+delay))
	})
}

// ColdShare is the share of origin requests that find no open connection and
// pay a handshake, when requests come at rate, hit of them end in the cache,
// the rest is spread evenly over points of presence with a connection each,
// and a connection is closed after idle without use. A better cache makes it
// greater; one point in front of the origin (a shield) undoes that.
func ColdShare(rate, hit, idle float64, points int) float64 {
	return math.Exp(-(1 - hit) * rate * idle / float64(points))
}
