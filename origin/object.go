package origin

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"strconv"
	"time"
)

// Lifetime is how long the answers of a share of the objects are fresh.
type Lifetime struct {
	Share  float64       // of the objects
	MaxAge time.Duration // whole seconds
}

// Sizes are log-normal sizes of objects, by two of their quantiles. The zero
// Sizes gives every object the same size, that of the response.
type Sizes struct {
	Median, P90 int64 // bytes
	Max         int64 // no object is larger; 0 = no bound
}

// content is what one object is like: the same at every origin with the same
// response, because it is drawn from the object's name.
type content struct {
	size    int64
	control string // Cache-Control; "" = none
}

// object draws each property of its own: whether an object may be stored says
// nothing of its size.
func (r *Response) object(key string) content {
	o := content{size: r.Size, control: r.CacheControl}
	if r.Uncacheable == 0 && len(r.Lifetimes) == 0 && r.Sizes == (Sizes{}) {
		return o
	}
	hash := fnv.New64a()
	_, _ = io.WriteString(hash, key) // a hash never fails
	name := hash.Sum64()
	if r.Sizes != (Sizes{}) {
		o.size = r.Sizes.at(uniform(name, 1))
	}
	if uniform(name, 2) < r.Uncacheable {
		o.control = "no-store"
		return o
	}
	u := uniform(name, 3)
	for _, l := range r.Lifetimes {
		if u < l.Share {
			o.control = "max-age=" + strconv.FormatInt(int64(l.MaxAge/time.Second), 10)
			break
		}
		u -= l.Share
	}
	return o
}

// at is the size that the share u of the objects is below.
func (s Sizes) at(u float64) int64 {
	const p90 = 1.2815515655446004 // standard deviations
	sigma := math.Log(float64(s.P90)/float64(s.Median)) / p90
	size := float64(s.Median) * math.Exp(sigma*math.Sqrt2*math.Erfinv(2*u-1))
	if s.Max > 0 {
		size = min(size, float64(s.Max))
	}
	return int64(min(size, maxObject))
}

// maxObject bounds what a tail without a bound draws, in bytes.
const maxObject = 1 << 30

// uniform is in (0, 1), drawn from a name: splitmix64 (Steele, Lea and Flood
// 2014), with a stream for each property.
func uniform(name, stream uint64) float64 {
	z := name + stream*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	z ^= z >> 31
	return (float64(z>>11) + 0.5) / (1 << 53)
}

// check says what objects cannot be like.
func (r *Response) check() error {
	if r.Uncacheable < 0 || r.Uncacheable > 1 {
		return fmt.Errorf("the share of objects that may not be stored is %g: it is from 0 to 1", r.Uncacheable)
	}
	total := 0.0
	for _, l := range r.Lifetimes {
		if l.Share < 0 || l.MaxAge < 0 || l.MaxAge%time.Second != 0 {
			return fmt.Errorf("a lifetime of %s for a share of %g: lifetimes are whole seconds, shares not negative", l.MaxAge, l.Share)
		}
		total += l.Share
	}
	if total > 1+1e-9 {
		return fmt.Errorf("the shares of the lifetimes are %g together: they are at most 1", total)
	}
	if s := r.Sizes; s != (Sizes{}) && (s.Median < 1 || s.P90 <= s.Median || s.Max < 0 || s.Max > 0 && s.Max < s.Median) {
		return errors.New("sizes need a median of at least 1 byte, a p90 above it, and a max not below it")
	}
	return nil
}
