package settings

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/zeroten/zeroten/ent"
	enttrait "github.com/zeroten/zeroten/ent/trait"
	"github.com/zeroten/zeroten/internal/apierror"
	"github.com/zeroten/zeroten/internal/auth"
	"github.com/zeroten/zeroten/internal/cube"
	"github.com/zeroten/zeroten/internal/store"
	"github.com/zeroten/zeroten/internal/trait"
)

// DefineTraitInput creates the trait with this key, or changes it.
type DefineTraitInput struct {
	Key string
	// Label where nil stays, or is the key.
	Label       *string
	Kind        trait.Kind
	IsDimension bool
	// Edges where nil stay, as long as the kind does; where empty there are none any more.
	Edges []float64
}

// DefineTrait creates or changes a trait of the caller's tenant. Where that changes its dimensions, past responses
// are taken in: at once where they are few, else by a job. The error is UserErrors for what the caller can mend.
func DefineTrait(ctx context.Context, b *cube.Builder, in DefineTraitInput) (*ent.Trait, error) {
	var saved *ent.Trait
	tenant := auth.Tenant(ctx)
	err := b.DB.WriteSettings(ctx, tenant, func(tx *store.Tx) error {
		s, err := definitions(ctx, tx.SQL, tenant)
		if err != nil {
			return err
		}
		def, err := s.define(in)
		if err != nil {
			return err
		}
		if saved, err = saveTrait(ctx, tx, def); err != nil {
			return fmt.Errorf("saving trait %s: %w", def.Key, err)
		}
		return Reshape(ctx, tx, b, tenant)
	})
	if err != nil {
		return nil, err
	}
	return saved, nil
}

// define merges the input with what is defined already, and checks it against the tenant's segments and limits.
func (s *State) define(in DefineTraitInput) (trait.Definition, error) {
	old, exists := s.Traits[in.Key]
	def := trait.Definition{Key: in.Key, Label: in.Key, Kind: in.Kind, IsDimension: in.IsDimension, Edges: in.Edges}
	if exists {
		def.Label = old.Label
		if in.Edges == nil && in.Kind == old.Kind {
			def.Edges = old.Edges
		}
	}
	if in.Label != nil {
		def.Label = *in.Label
	}
	if errs := def.Validate(); errs != nil {
		return def, errs
	}
	s.Traits[def.Key] = def
	dims := s.dimensions()
	if len(dims) > trait.MaxDimensions {
		return def, apierror.User(apierror.TooMany, []string{"isDimension"},
			"A tenant may have %d dimensions; make another trait no dimension first.", trait.MaxDimensions)
	}
	var broken []string
	for _, g := range s.Segments {
		if slices.Contains(g.Rule.Uses(), def.Key) && g.Rule.Validate(dims) != nil {
			broken = append(broken, g.Name)
		}
	}
	if broken != nil {
		return def, apierror.User(apierror.Conflict, []string{"key"},
			"This would break the rule of %s; change or delete it first.", names(broken))
	}
	return def, nil
}

// names lists segments' names, in order, and not without end.
func names(segments []string) string {
	slices.Sort(segments)
	text := "segment "
	if len(segments) > 1 {
		text = "segments "
	}
	const most = 10
	if more := len(segments) - most; more > 0 {
		return fmt.Sprintf("%s%q and %d more", text, segments[:most], more)
	}
	quoted := make([]string, len(segments))
	for i, s := range segments {
		quoted[i] = fmt.Sprintf("%q", s)
	}
	return text + strings.Join(quoted, ", ")
}

func saveTrait(ctx context.Context, tx *store.Tx, def trait.Definition) (*ent.Trait, error) {
	old, err := tx.Ent.Trait.Query().Where(enttrait.Key(def.Key)).Only(ctx)
	if ent.IsNotFound(err) {
		create := tx.Ent.Trait.Create().SetKey(def.Key).SetLabel(def.Label).SetKind(def.Kind).SetIsDimension(def.IsDimension)
		if len(def.Edges) > 0 {
			create.SetEdges(def.Edges)
		}
		return create.Save(ctx)
	}
	if err != nil {
		return nil, err
	}
	update := tx.Ent.Trait.UpdateOne(old).SetLabel(def.Label).SetKind(def.Kind).SetIsDimension(def.IsDimension)
	if len(def.Edges) > 0 {
		update.SetEdges(def.Edges)
	} else {
		update.ClearEdges()
	}
	return update.Save(ctx)
}

// DeleteTrait deletes a trait's definition; what people answered keeps its values. The error is UserErrors where
// there is no such trait, and where a segment uses it.
func DeleteTrait(ctx context.Context, b *cube.Builder, key string) (deleted uuid.UUID, err error) {
	tenant := auth.Tenant(ctx)
	err = b.DB.WriteSettings(ctx, tenant, func(tx *store.Tx) error {
		s, err := definitions(ctx, tx.SQL, tenant)
		if err != nil {
			return err
		}
		if _, ok := s.Traits[key]; !ok {
			return apierror.User(apierror.NotFound, []string{"key"}, "There is no trait %.70q.", key)
		}
		var users []string
		for _, g := range s.Segments {
			if slices.Contains(g.Rule.Uses(), key) {
				users = append(users, g.Name)
			}
		}
		if users != nil {
			return apierror.User(apierror.Conflict, []string{"key"},
				"The trait is used by %s; change or delete it first.", names(users))
		}
		old, err := tx.Ent.Trait.Query().Where(enttrait.Key(key)).Only(ctx)
		if err != nil {
			return fmt.Errorf("finding trait %s: %w", key, err)
		}
		if err := tx.Ent.Trait.DeleteOne(old).Exec(ctx); err != nil {
			return fmt.Errorf("deleting trait %s: %w", key, err)
		}
		deleted = old.ID
		return Reshape(ctx, tx, b, tenant)
	})
	return deleted, err
}

// Reshape begins the generation that the tenant's zone and traits now ask for, where the newest has another shape; see
// cube.Builder. It runs in the transaction that changes them, under the tenant's lock.
func Reshape(ctx context.Context, tx *store.Tx, b *cube.Builder, tenant uuid.UUID) error {
	s, err := definitions(ctx, tx.SQL, tenant)
	if err != nil {
		return err
	}
	return b.Reshape(ctx, tx, &s.Generations, trait.Shape{Zone: s.Zone, Dimensions: s.dimensions(), Limits: s.Active.Shape.Limits})
}

// TraitProgress is how far the tenant's rebuild is, if it takes past responses in for this trait.
func TraitProgress(ctx context.Context, db *store.DB, tenant uuid.UUID, key string) (*cube.Rebuild, error) {
	found, err := cube.Progress(ctx, db, tenant)
	if found == nil || err != nil {
		return nil, err
	}
	s, err := Load(ctx, db, tenant)
	if err != nil || s.Building == nil || s.Active.Shape.SameDimension(&s.Building.Shape, key) {
		return nil, err
	}
	return found, nil
}
