package cmd

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"kwhy/explain"
	"kwhy/explain/catalog"
	"kwhy/explain/lower"
)

// The settings of rules: in a config file below check, and the variables that begin with
// KWHY_CHECK_. There is one for each rule.
const (
	checkKey      = "check"
	thresholdsKey = "thresholds"
	offKey        = "off"
	checkEnv      = "KWHY_CHECK_"
	thresholdsEnv = checkEnv + "THRESHOLDS_"
	offEnv        = checkEnv + "OFF"
)

// override is a user's setting of a rule; origin says where it is from.
type override struct{ id, text, origin string }

// overrides gathers the settings of rules. A later one overrides those before it.
func (a *App) overrides(files []ruleFile) ([]override, error) {
	var out []override
	for _, f := range files {
		list, err := f.overrides()
		if err != nil {
			return nil, err
		}
		out = append(out, list...)
	}
	for _, pair := range a.environ() {
		name, text, _ := strings.Cut(pair, "=")
		id, isThreshold := strings.CutPrefix(name, thresholdsEnv)
		switch {
		case isThreshold:
			out = append(out, override{"$" + id, text, name})
		case name == offEnv:
			out = append(out, switchOff(strings.Split(text, ","), name)...)
		case strings.HasPrefix(name, checkEnv):
			return nil, usagef("%s: there is no such setting; there are %sOFF and %s<RULE>", name, checkEnv, thresholdsEnv)
		}
	}
	return out, nil
}

// switchOff switches rules off.
func switchOff(ids []string, origin string) (out []override) {
	for _, id := range ids {
		if id = strings.TrimSpace(id); id != "" {
			out = append(out, override{id, "off", origin})
		}
	}
	return out
}

// ruleFile is the part of a config file below check.
type ruleFile struct {
	path string
	tree map[string]any
}

// rulesOf takes that part of a file.
func rulesOf(below any, path string) (ruleFile, error) {
	switch tree := below.(type) {
	case nil:
		return ruleFile{path: path}, nil
	case map[string]any:
		return ruleFile{path, tree}, nil
	}
	return ruleFile{}, usagef("%s: %s takes %s and %s", path, checkKey, thresholdsKey, offKey)
}

func (f ruleFile) overrides() (out []override, err error) {
	for _, key := range slices.Sorted(maps.Keys(f.tree)) {
		value, origin := f.tree[key], f.path+": "+checkKey+"."+key
		switch key {
		case thresholdsKey:
			out = append(out, flat("", value, origin)...)
		case offKey:
			switch list := value.(type) {
			case string:
				out = append(out, switchOff(strings.Split(list, ","), origin)...)
			case []any:
				for _, id := range list {
					out = append(out, switchOff([]string{fmt.Sprint(id)}, origin)...)
				}
			default:
				return nil, usagef("%s: it takes a list of rules", origin)
			}
		default:
			return nil, usagef("%s: unknown key %q; it takes %s and %s", f.path, checkKey+"."+key, thresholdsKey, offKey)
		}
	}
	return out, nil
}

// flat turns a tree of keys into overrides: the dot in a rule's ID may be written as a
// level of the tree.
func flat(id string, value any, origin string) (out []override) {
	tree, ok := value.(map[string]any)
	if !ok {
		return []override{{id, words(value), origin}}
	}
	var levels []string
	for _, key := range slices.Sorted(maps.Keys(tree)) {
		if slices.Contains(explain.Levels(), key) {
			levels = append(levels, key+"="+words(tree[key]))
			continue
		}
		out = append(out, flat(strings.TrimPrefix(id+"."+key, "."), tree[key], origin+"."+key)...)
	}
	if levels != nil {
		out = append(out, override{id, strings.Join(levels, ","), origin})
	}
	return out
}

// words writes a YAML value as it is written in a variable.
func words(value any) string {
	switch v := value.(type) {
	case []any:
		list := make([]string, len(v))
		for i := range v {
			list[i] = words(v[i])
		}
		return strings.Join(list, ",")
	case bool: // YAML reads off as false
		if !v {
			return "off"
		}
	}
	return fmt.Sprint(value)
}

// thresholds turns overrides into the limits of rules. Without any it does not build the
// catalogue, which takes time.
func thresholds(list []override) (explain.Limits, error) {
	if len(list) == 0 {
		return nil, nil
	}
	rules := catalog.All().Rules
	out := explain.Limits{}
	for _, o := range list {
		r, err := ruleOf(rules, o)
		if err != nil {
			return nil, err
		}
		at, set := out[r.ID]
		if !set {
			at = r.At
		}
		if out[r.ID], err = o.change(at, r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ruleOf finds the rule that is overridden. An ID that begins with $ is from the name of a
// variable.
func ruleOf(rules []lower.RuleDoc, o override) (*lower.RuleDoc, error) {
	env, isEnv := strings.CutPrefix(o.id, "$")
	name := cmp.Or(env, o.id)
	ids := make([]string, len(rules))
	for i := range rules {
		if ids[i] = rules[i].ID; isEnv {
			ids[i] = envID(ids[i])
		}
		if ids[i] == name {
			return &rules[i], nil
		}
	}
	hint := ""
	if near := catalog.Near(ids, name); near != nil {
		for i, id := range near {
			near[i] = rules[slices.Index(ids, id)].ID
		}
		hint = "; near it: " + strings.Join(near, ", ")
	}
	return nil, usagef("%s: there is no rule %q%s (kwhy check --list has them all)", o.origin, name, hint)
}

// envID is a rule's ID as variables spell it: MEM_AVAILABLE_LOW.
func envID(id string) string { return strings.ToUpper(strings.ReplaceAll(id, ".", "_")) }

// change applies an override to a rule's thresholds.
func (o *override) change(at explain.At, r *lower.RuleDoc) (explain.At, error) {
	at, err := at.Change(o.text)
	if err != nil {
		return at, usagef("%s: bad value %q: %w", o.origin, o.text, err)
	}
	if err := at.InOrder(r.Below); err != nil {
		return at, usagef("%s: %w: of %s %s is worse", o.origin, err, r.ID, map[bool]string{true: "less", false: "more"}[r.Below])
	}
	return at, nil
}

// environ is the environment; nil if the App has none.
func (a *App) environ() []string {
	if a.Environ == nil {
		return nil
	}
	return a.Environ()
}
