"""The laws that every inner and outer learner obeys, each a function of a case that raises AssertionError if it is broken."""

from collections.abc import Callable, Sequence

from jmeta.outer.base import OuterLearner
from jmeta.testing.cases import LearnerCase
from jmeta.testing.laws.agent import an_agent_driven_from_outside_does_what_live_does
from jmeta.testing.laws.learner import (
    a_learner_pickles_and_copies_before_and_after_use,
    every_number_of_a_learner_can_be_traced,
    typed_keys_raw_keys_and_seeds_begin_alike,
)
from jmeta.testing.laws.lifetime import (
    a_lifetime_begins_afresh_and_an_episode_does_not,
    a_lifetime_lived_in_pieces_is_the_lifetime_lived_at_once,
    adapt_keeps_structure_shapes_and_dtypes,
    what_the_agent_is_told,
)
from jmeta.testing.laws.outer_step import (
    an_outer_step_is_finite_moves_theta_and_keeps_its_types,
    an_outer_step_keeps_its_types_where_jax_computes_in_double,
    every_meta_parameter_gets_a_gradient,
    no_program_calls_lapack,
    the_second_call_does_not_trace_again,
)
from jmeta.testing.laws.randomness import (
    no_key_of_a_lifetime_is_used_twice,
    permuting_tasks_permutes_results,
    streams_and_segments_draw_different_randomness,
    tasks_together_equal_tasks_one_by_one,
    the_same_key_gives_the_same_result_and_another_key_another,
)
from jmeta.testing.laws.replay import (
    replay_under_another_theta_decides_otherwise,
    replay_under_the_behaviour_theta_reproduces_the_decisions,
    unroll_equals_a_scan_of_act,
)

Law = Callable[[LearnerCase], None]

LAWS: tuple[Law, ...] = (
    replay_under_the_behaviour_theta_reproduces_the_decisions,
    replay_under_another_theta_decides_otherwise,
    unroll_equals_a_scan_of_act,
    adapt_keeps_structure_shapes_and_dtypes,
    tasks_together_equal_tasks_one_by_one,
    permuting_tasks_permutes_results,
    the_same_key_gives_the_same_result_and_another_key_another,
    no_key_of_a_lifetime_is_used_twice,
    streams_and_segments_draw_different_randomness,
    a_lifetime_begins_afresh_and_an_episode_does_not,
    what_the_agent_is_told,
    every_meta_parameter_gets_a_gradient,
    an_outer_step_is_finite_moves_theta_and_keeps_its_types,
    the_second_call_does_not_trace_again,
    no_program_calls_lapack,
    typed_keys_raw_keys_and_seeds_begin_alike,
    a_learner_pickles_and_copies_before_and_after_use,
    every_number_of_a_learner_can_be_traced,
    an_outer_step_keeps_its_types_where_jax_computes_in_double,
    a_lifetime_lived_in_pieces_is_the_lifetime_lived_at_once,
    an_agent_driven_from_outside_does_what_live_does,
)
"""Every law; each takes a ``LearnerCase``."""


def check_learner(build: Callable[[], OuterLearner], laws: Sequence[Law] | None = None) -> None:
    """Tests every law on a learner; it takes a minute or more, most of it compiling.

    Args:
      build: returns the learner, the same at every call; small.
      laws: which laws, all by default.

    Raises:
      AssertionError: of the first law that is broken, with its name as a note.

    Example:
      >>> import jmeta
      >>> tasks = jmeta.tasks.BernoulliBandit(num_arms=3, num_pulls=6)
      >>> build = lambda: jmeta.algorithms.rl2(tasks, hidden_size=8, num_tasks=4)
      >>> check_learner(build, laws=[unroll_equals_a_scan_of_act, every_meta_parameter_gets_a_gradient])
    """
    case = LearnerCase(build)
    for law in LAWS if laws is None else laws:
        try:
            law(case)
        except Exception as error:
            error.add_note(f"{type(case.outer).__name__} of {type(case.inner.unwrapped).__name__} breaks the law {law.__name__}")
            raise
