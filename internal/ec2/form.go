package ec2

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/ptrd/ptrd/internal/awsapi"
)

// maxBody is the most octets of a request: a thousand allocation ids.
const maxBody = 64 << 10

// request is a request on its way to an operation.
type request struct {
	*awsapi.Request
	values map[string]string
}

// parseForm reads the parameters of a request, each of which is there once.
func parseForm(body string) (map[string]string, error) {
	form, err := url.ParseQuery(body)
	if err != nil {
		return nil, faultf("MalformedQueryString", "The body of the request is not a form: %v", err)
	}
	values := make(map[string]string, len(form))
	for name, list := range form {
		if len(list) > 1 {
			return nil, faultf(codeParameter, "The parameter %.100s is there %d times.", name, len(list))
		}
		values[name] = list[0]
	}
	return values, nil
}

// refused are parameters of the API that are not offered, and why.
var refused = map[string]string{
	"TagSpecification":      "tags are not kept",
	"CustomerOwnedIpv4Pool": "there are no outposts",
	"IpamPoolId":            "there is no IPAM",
}

// check returns an error for a parameter that the operation does not know. In known, N stands
// for the number of an item.
func (q *request) check(known string) error {
	names := strings.Fields(known)
	for name := range q.values {
		parts := strings.Split(name, ".")
		for i, p := range parts {
			if _, err := strconv.ParseUint(p, 10, 16); err == nil {
				parts[i] = "N"
			}
		}
		pattern := strings.Join(parts, ".")
		switch why := refused[parts[0]]; {
		case pattern == "Action" || pattern == "Version" || slices.Contains(names, pattern):
		case why != "":
			return faultf(codeUnsupported, "The parameter %s is not offered: %s.", parts[0], why)
		default:
			return faultf(codeUnknown, "The parameter %.100s is not recognized", name)
		}
	}
	return nil
}

// list returns the items of a parameter, such as AllocationId.1, in the order of their numbers.
func (q *request) list(name string) (out []string) {
	var numbers []int
	for key := range q.values {
		if rest, ok := strings.CutPrefix(key, name+"."); ok {
			if n, err := strconv.Atoi(rest); err == nil {
				numbers = append(numbers, n)
			}
		}
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		out = append(out, q.values[name+"."+strconv.Itoa(n)])
	}
	return out
}

// required returns a parameter that must be there.
func (q *request) required(name string) (string, error) {
	if v := q.values[name]; v != "" {
		return v, nil
	}
	return "", faultf(codeMissing, "The request must contain the parameter %s", name)
}

// dry reports whether the operation is only to be tried.
func (q *request) dry() bool { return strings.EqualFold(q.values["DryRun"], "true") }

// filter is a condition of DescribeAddresses: any of its values matches.
type filter struct {
	name   string
	values []string
}

func (q *request) filters() (out []filter) {
	const most = 200 // as at AWS, values of a filter
	for n := 1; n <= most; n++ {
		prefix := "Filter." + strconv.Itoa(n)
		if name := q.values[prefix+".Name"]; name != "" {
			out = append(out, filter{name, q.list(prefix + ".Value")})
		}
	}
	return out
}
