package edge

import (
	"fmt"
	"reflect"

	"github.com/originpull/originpull/edge/cache"
	"github.com/originpull/originpull/edge/pool"
)

// Stats counts since the edge was made. Of several pools it is their sum; the
// sum of their MaxOpen is an upper bound of what was open at once.
type Stats struct {
	Pool   pool.Stats   `json:"pool"`
	Cache  cache.Stats  `json:"cache"`            // of the points of presence
	Shield *cache.Stats `json:"shield,omitempty"` // of the shield, where there is one
	// Origins are the pools of each of several origins; Pool is their sum.
	Origins []pool.Stats `json:"origins,omitempty"`
}

// add adds every count of b to total. It goes over the fields, so that a
// counter which pool or cache learn is never left out of the sum.
func add[S any](total *S, b S) { addFields(reflect.ValueOf(total).Elem(), reflect.ValueOf(b)) }

func addFields(total, b reflect.Value) {
	switch total.Kind() {
	case reflect.Int64:
		total.SetInt(total.Int() + b.Int())
	case reflect.Struct:
		for i := range total.NumField() {
			addFields(total.Field(i), b.Field(i))
		}
	case reflect.Map:
		if total.IsNil() && b.Len() > 0 {
			total.Set(reflect.MakeMap(total.Type()))
		}
		for _, key := range b.MapKeys() {
			sum := reflect.New(total.Type().Elem()).Elem()
			if have := total.MapIndex(key); have.IsValid() {
				sum.Set(have)
			}
			addFields(sum, b.MapIndex(key))
			total.SetMapIndex(key, sum)
		}
	default:
		panic(fmt.Sprintf("edge: no sum of a %s", total.Type()))
	}
}
