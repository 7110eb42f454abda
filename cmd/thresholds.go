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

// The settings of rules, below check in a config file and KWHY_CHECK_ among the
// variables. They have names of their own: one for each rule.
const (
	checkKey      = "check"
	thresholdsKey = "thresholds"
	offKey        = "off"
	checkEnv      = "KWHY_CHECK_"
	thresholdsEnv = checkEnv + "THRESHOLDS_"
	offEnv        = checkEnv + "OFF"
)

// wish is what a user wants of a rule, and where that was said.
type wish struct{ id, text, origin string }

// ruleWishes gathers what the files and variables say of rules, the weakest first.
func (a *App) ruleWishes(files []ruleFile) ([]wish, error) {
	var out []wish
	for _, f := range files {
		list, err := f.wishes()
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
			out = append(out, wish{"$" + id, text, name})
		case name == offEnv:
			out = append(out, offWishes(strings.Split(text, ","), name)...)
		case strings.HasPrefix(name, checkEnv):
			return nil, usagef("%s: there is no such setting; there are %sOFF and %s<RULE>", name, checkEnv, thresholdsEnv)
		}
	}
	return out, nil
}

// offWishes switch rules off.
func offWishes(ids []string, origin string) (out []wish) {
	for _, id := range ids {
		if id = strings.TrimSpace(id); id != "" {
			out = append(out, wish{id, "off", origin})
		}
	}
	return out
}

// ruleFile is what a config file says below check.
type ruleFile struct {
	path string
	tree map[string]any
}

// rulesOf is what a file says below check.
func rulesOf(below any, path string) (ruleFile, error) {
	switch tree := below.(type) {
	case nil:
		return ruleFile{path: path}, nil
	case map[string]any:
		return ruleFile{path, tree}, nil
	}
	return ruleFile{}, usagef("%s: %s takes %s and %s", path, checkKey, thresholdsKey, offKey)
}

func (f ruleFile) wishes() (out []wish, err error) {
	for _, key := range slices.Sorted(maps.Keys(f.tree)) {
		value, origin := f.tree[key], f.path+": "+checkKey+"."+key
		switch key {
		case thresholdsKey:
			out = append(out, flat("", value, origin)...)
		case offKey:
			switch list := value.(type) {
			case string:
				out = append(out, offWishes(strings.Split(list, ","), origin)...)
			case []any:
				for _, id := range list {
					out = append(out, offWishes([]string{fmt.Sprint(id)}, origin)...)
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

// flat turns a tree of keys into wishes: a rule's name has a dot in it, which some
// write as a level of the tree.
func flat(id string, value any, origin string) (out []wish) {
	tree, ok := value.(map[string]any)
	if !ok {
		return []wish{{id, words(value), origin}}
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
		out = append(out, wish{id, strings.Join(levels, ","), origin})
	}
	return out
}

// words is a value of YAML as a variable would have it.
func words(value any) string {
	switch v := value.(type) {
	case []any:
		list := make([]string, len(v))
		for i := range v {
			list[i] = words(v[i])
		}
		return strings.Join(list, ",")
	case bool: // YAML's way to write off
		if !v {
			return "off"
		}
	}
	return fmt.Sprint(value)
}

// thresholds turns wishes into the limits of rules. The catalogue is only looked at
// where there are any.
func thresholds(wishes []wish) (explain.Limits, error) {
	if len(wishes) == 0 {
		return nil, nil
	}
	rules := catalog.All().Rules
	out := explain.Limits{}
	for _, w := range wishes {
		r, err := ruleOf(rules, w)
		if err != nil {
			return nil, err
		}
		at, set := out[r.ID]
		if !set {
			at = r.At
		}
		if out[r.ID], err = w.change(at, r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// ruleOf finds the rule that a wish is about, by its ID or, after a $, as the name of
// a variable spells that.
func ruleOf(rules []lower.RuleDoc, w wish) (*lower.RuleDoc, error) {
	env, isEnv := strings.CutPrefix(w.id, "$")
	name := cmp.Or(env, w.id)
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
	return nil, usagef("%s: there is no rule %q%s (kwhy check --list has them all)", w.origin, name, hint)
}

// envID is a rule's ID in the name of a variable: MEM_AVAILABLE_LOW.
func envID(id string) string { return strings.ToUpper(strings.ReplaceAll(id, ".", "_")) }

// change changes a rule's thresholds as a wish says.
func (w *wish) change(at explain.At, r *lower.RuleDoc) (explain.At, error) {
	at, err := at.Change(w.text)
	if err != nil {
		return at, usagef("%s: bad value %q: %w", w.origin, w.text, err)
	}
	if err := at.InOrder(r.Below); err != nil {
		return at, usagef("%s: %w: of %s %s is worse", w.origin, err, r.ID, map[bool]string{true: "less", false: "more"}[r.Below])
	}
	return at, nil
}

// environ is the environment; none where nobody has given one.
func (a *App) environ() []string {
	if a.Environ == nil {
		return nil
	}
	return a.Environ()
}
