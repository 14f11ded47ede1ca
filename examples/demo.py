"""A first run: fine-tune the built-in English encoder on reviews that come with the project, and use the result."""

import transferhub as hub

reviews = hub.dataset.DemoReviews("en")
config = hub.RunConfig(
    num_epoch=6, batch_size=16, eval_interval=15, strategy=hub.AdamWeightDecayStrategy(learning_rate=1e-4)
)
task = hub.TextClassifierTask(module="minilm", dataset=reviews, config=config, metrics_choices=["acc", "f1"])
print(f"\n{task.plan()}\n")

result = task.finetune_and_eval()

sentences = [
    "Lovely staff, and the bed was so soft I missed breakfast.",
    "The soup was cold and the waiter could not care less.",
    "Not bad at all, I would come back.",
    "it crashes evry time i open a photo, uninstalled",
]
predictions = task.predict(sentences)
print()
for sentence, label, probabilities in zip(sentences, predictions.labels, predictions.probabilities, strict=True):
    print(f"{label:9} {probabilities.max():.2f}  {sentence}")
for split, scores in (("dev", result.dev), ("test", result.test)):
    print(f"{split:5}" + "  ".join(f"{name} {value:.3f}" for name, value in (scores or {}).items()))
print(f"""
best model  {result.best_model}
report      {result.report}
curves      hub board {result.checkpoint_dir}
use it      hub predict {result.best_model} FILE     or     hub.load("{result.best_model}").predict([...])""")
