"""Figures: functions that return a Matplotlib Figure, titled with what to see, in the project's one palette."""

from unifiedlib.figures.ablations import experiment_figure, save_experiments
from unifiedlib.figures.canvas import new_figure, save_figure, say
from unifiedlib.figures.codes import (
    balance_table,
    bit_balance_curves,
    bit_repetition,
    cosine_against_hamming,
    size_table,
    statistics_table,
    value_distribution,
)
from unifiedlib.figures.codes_study import (
    bit_figure,
    changed_queries,
    code_costs,
    hamming_by_width,
    precision_against_bytes,
)
from unifiedlib.figures.domain_gap import domain_gap_figure
from unifiedlib.figures.pictures import contact_sheet, contact_sheets, label_frequency, label_table
from unifiedlib.figures.projection import projection_figure, projection_table
from unifiedlib.figures.replay import bias_figure, check_figure, click_model_figure
from unifiedlib.figures.replay_tests import lift_figure, power_figure, preference_figure, users_figure
from unifiedlib.figures.retrieval import example_grid, example_grids, overview_grid, result_grid
from unifiedlib.figures.scores import (
    float_against_binary,
    headline_figure,
    merged_against_own,
    score_heatmap,
)
from unifiedlib.figures.tables import claim_table, plain_table, score_table, score_tables
from unifiedlib.figures.training import (
    accuracy_curves,
    gain_table,
    gradient_shares,
    gradient_table,
    long_history,
    loss_curves,
    phase_gains,
    rate_curve,
    throughput_curve,
)
from unifiedlib.figures.verdicts import forest_figure, verdict_matrix

__all__ = [
    "accuracy_curves",
    "balance_table",
    "bias_figure",
    "bit_balance_curves",
    "bit_figure",
    "bit_repetition",
    "changed_queries",
    "check_figure",
    "claim_table",
    "click_model_figure",
    "code_costs",
    "contact_sheet",
    "contact_sheets",
    "cosine_against_hamming",
    "domain_gap_figure",
    "example_grid",
    "example_grids",
    "experiment_figure",
    "float_against_binary",
    "forest_figure",
    "gain_table",
    "gradient_shares",
    "gradient_table",
    "hamming_by_width",
    "headline_figure",
    "label_frequency",
    "label_table",
    "lift_figure",
    "long_history",
    "loss_curves",
    "merged_against_own",
    "new_figure",
    "overview_grid",
    "phase_gains",
    "plain_table",
    "power_figure",
    "precision_against_bytes",
    "preference_figure",
    "projection_figure",
    "projection_table",
    "rate_curve",
    "result_grid",
    "save_experiments",
    "save_figure",
    "say",
    "score_heatmap",
    "score_table",
    "score_tables",
    "size_table",
    "statistics_table",
    "throughput_curve",
    "users_figure",
    "value_distribution",
    "verdict_matrix",
]
