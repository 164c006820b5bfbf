"""The command `serve-runtime selftest`."""

from dataclasses import asdict

import click

from serve_runtime.commands.errors import command_errors
from serve_runtime.commands.options import message_options
from serve_runtime.commands.start import loading
from serve_runtime.commands.terminal import Messages

_BITS = {
    True: "every bit is that of the export",
    False: "some differ from the export's, as they may on another processor",
}


@click.command()
@click.argument("bundle", type=click.Path())
@message_options
def selftest(bundle: str, messages: Messages) -> None:
    """Check that this machine scores the model correctly.

    Scores the test rows that are stored in the model ("golden rows") and compares the results with
    those that the export measured and proved; tries logits where processors have been seen to go
    wrong, batches of several sizes, and rows that must be refused. Exits with 1 if a score is
    further off than float32 arithmetic can explain (the "error budget"), or a promise is not kept.

    \b
    Example:
      serve-runtime selftest bundles/churn
    """
    with command_errors():
        with loading():
            from serve_runtime.predictor import Predictor

        predictor = Predictor(bundle)
        result = predictor.selftest()
        messages.close(
            f"{result.rows} golden rows within budget: test rows stored in the model score as they "
            f"should\n"
            f"logits         use {result.logit_share:.1%} of their error budget at most\n"
            f"probabilities  are at most {result.probability_ulp:.2f} ULP (units in the last "
            f"place) from exact\n"
            f"bits           {_BITS[result.identical]}\n"
            f"order          probabilities never fall, over {result.logits:,} neighbouring "
            "logits\n"
            f"batches        of {', '.join(map(str, result.batches))} rows give the same bits\n"
            f"refused        {result.refused} batches with NaN, an infinity or an overflow, as "
            "they must be",
            {"bundle": bundle, "model_id": predictor.card.model_id, **asdict(result)},
        )
