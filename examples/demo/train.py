"""Train the demo's model with a Keras of 2018, and record what it predicts.

The model reads an 8 x 8 picture of a handwritten digit row by row, and guesses the
digit after every row.  The pictures are scikit-learn's ``digits``.  Keras 2.1.4
matters: its gates are ``hard_sigmoid``, and its file has no ``reset_after``.  To train
again (Python 3.6):

    pip install keras==2.1.4 tensorflow==1.4.1 'h5py<3' 'numpy<1.17' \
        'protobuf<3.18' scikit-learn==0.22.2
    python examples/demo/train.py
"""

import os

import numpy as np
from keras import backend
from keras.layers import GRU, Dense
from keras.models import Sequential
from sklearn.datasets import load_digits
from tensorflow import ConfigProto, Session, set_random_seed

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    """Train, print the accuracy after each row, and write the files to this folder."""
    # One thread and fixed seeds: training again gives nearly the same model.
    backend.set_session(
        Session(
            config=ConfigProto(
                intra_op_parallelism_threads=1, inter_op_parallelism_threads=1
            )
        )
    )
    np.random.seed(7)
    set_random_seed(7)
    digits = load_digits()
    order = np.random.permutation(len(digits.images))
    x = (digits.images[order] / 16.0).astype("float32")
    labels = digits.target[order]
    # The target is the same after every row.
    y = np.repeat(np.eye(10, dtype="float32")[labels][:, None], 8, axis=1)
    held_out = 297
    model = Sequential(
        [
            GRU(32, return_sequences=True, input_shape=(None, 8), name="reader"),
            Dense(10, activation="softmax", name="guess"),
        ]
    )
    model.compile("adam", "categorical_crossentropy")
    for epochs, rate in ((60, 3e-3), (30, 5e-4)):
        backend.set_value(model.optimizer.lr, rate)
        model.fit(x[held_out:], y[held_out:], batch_size=32, epochs=epochs, verbose=0)
    guesses = model.predict(x[:held_out]).argmax(-1)
    accuracy = (guesses == labels[:held_out, None]).mean(0)
    print("accuracy after each row:", np.round(accuracy, 3))
    # The first held-out picture of each digit.
    shown = [int(np.argmax(labels[:held_out] == digit)) for digit in range(10)]
    model.save(os.path.join(HERE, "digits.h5"), include_optimizer=False)
    np.save(os.path.join(HERE, "pictures.npy"), x[shown])
    np.save(os.path.join(HERE, "keras-predictions.npy"), model.predict(x[shown]))


if __name__ == "__main__":
    main()
